"""A bureau's own view of one enterprise, put together from what the other parts hold."""

from lab.bureau.data.enterprises.enterprise_view import EnterpriseLook, EnterpriseViews

__all__ = ["EnterpriseLook", "EnterpriseViews"]
