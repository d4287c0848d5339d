"""Requests for data: one entry and one exit.

An organisation asks for items in a sentence of purpose; a steward grants or refuses each; what is granted becomes a
draft contract that names the request. ``workflow`` is the table of states; ``figures`` the share of demands met.
"""

from lab.bureau.data.requests.answers import RequestAnswer
from lab.bureau.data.requests.contracting import (
    GrantedRequest,
    check_contract_fits,
    check_request_kept,
    find_granted_request,
    mark_contracted,
    prefill_options,
)
from lab.bureau.data.requests.data_request import DataRequest, RequestedItem, RequestFilter
from lab.bureau.data.requests.feature_sources import feature_sources
from lab.bureau.data.requests.figures import RequestFigures, request_figures
from lab.bureau.data.requests.service import DataRequestService, NewDataRequest
from lab.bureau.data.requests.workflow import RequestState

__all__ = [
    "DataRequest",
    "DataRequestService",
    "GrantedRequest",
    "NewDataRequest",
    "RequestAnswer",
    "RequestFigures",
    "RequestFilter",
    "RequestState",
    "RequestedItem",
    "check_contract_fits",
    "check_request_kept",
    "feature_sources",
    "find_granted_request",
    "mark_contracted",
    "prefill_options",
    "request_figures",
]
