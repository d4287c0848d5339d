"""Reading what departments deliver: a file or database table, by a mapping, into records of a domain.

``mapping`` says which column holds which item; ``cells`` reads cells as values; ``enterprises`` finds the unified code;
``row_reading`` puts the three together. ``comparison`` judges good rows by what is held;
``delivery`` does one delivery from start to end, ``delivery_list`` many in order. What cannot be read or contradicts
what is held is set aside with its reason (``set_aside``), never dropped. ``drafting`` drafts a mapping.
"""

from lab.bureau.data.ingestion.deliveries.delivery import DeliveryReader
from lab.bureau.data.ingestion.deliveries.department_delivery import DeliveryResult, DepartmentDelivery

__all__ = ["DeliveryReader", "DeliveryResult", "DepartmentDelivery"]
