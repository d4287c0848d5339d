"""Tables in workbooks (``.xlsx``, ``.xlsm``, ``.xlsb``, ``.xls``, ``.ods``), parsed in a confined process of their own.

``writing`` writes results as ``.xlsx``; everything else here reads.

``reading`` starts the process and checks what it sends back; ``confined_reader`` is what runs there: it checks the
container (``container``), has calamine parse it, and writes the cells as text (``cell_text``).
"""
