"""The Agreements of the W3C Recommendation "ODRL Information Model 2.2" (15 February 2018).

Copyright 2018 W3C (MIT, ERCIM, Keio, Beihang), under the W3C Software and Document License. They are quoted
verbatim, the inheriting one (section 2.8) in the expanded form that the Recommendation gives.
"""

from __future__ import annotations

import json
from typing import Any

_EXAMPLES = """
[
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:1012", "profile": "http://example.com/odrl:profile:01",
 "permission": [{"target": "http://example.com/asset:9898.movie",
   "assigner": "http://example.com/party:org:abc", "assignee": "http://example.com/party:person:billie",
   "action": "play"}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:8888", "profile": "http://example.com/odrl:profile:04",
 "permission": [{"target": "http://example.com/music/1999.mp3",
   "assigner": "http://example.com/org/sony-music", "assignee": "http://example.com/people/billie",
   "action": "play"}]},
{"@context": ["http://www.w3.org/ns/odrl.jsonld", {"vcard": "http://www.w3.org/2006/vcard/ns#"}],
 "@type": "Agreement", "uid": "http://example.com/policy:777", "profile": "http://example.com/odrl:profile:05",
 "permission": [{"target": "http://example.com/looking-glass.ebook",
   "assigner": {"@type": ["Party", "vcard:Organization"], "uid": "http://example.com/org/sony-books",
     "vcard:fn": "Sony Books LCC", "vcard:hasEmail": "sony-contact@example.com"},
   "assignee": {"@type": ["PartyCollection", "vcard:Group"], "uid": "http://example.com/team/A",
     "vcard:fn": "Team A", "vcard:hasEmail": "teamA@example.com"},
   "action": "use"}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:4444", "profile": "http://example.com/odrl:profile:12",
 "permission": [{"target": "http://example.com/myPhotos:BdayParty", "assigner": "http://example.com/user44",
   "assignee": {"@type": "PartyCollection", "source": "http://example.com/user44/friends",
     "refinement": [{"leftOperand": "foaf:age", "operator": "gt",
       "rightOperand": {"@value": "17", "@type": "xsd:integer"}}]},
   "action": {"@id": "ex:view"}}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:5555", "profile": "http://example.com/odrl:profile:08", "conflict": "perm",
 "permission": [{"target": "http://example.com/photoAlbum:55", "action": "display",
   "assigner": "http://example.com/MyPix:55", "assignee": "http://example.com/assignee:55"}],
 "prohibition": [{"target": "http://example.com/photoAlbum:55", "action": "archive",
   "assigner": "http://example.com/MyPix:55", "assignee": "http://example.com/assignee:55"}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:42", "profile": "http://example.com/odrl:profile:09",
 "obligation": [{"assigner": "http://example.com/org:43", "assignee": "http://example.com/person:44",
   "action": [{"rdf:value": {"@id": "odrl:compensate"},
     "refinement": [{"leftOperand": "payAmount", "operator": "eq",
       "rightOperand": {"@value": "500.00", "@type": "xsd:decimal"},
       "unit": "http://dbpedia.org/resource/Euro"}]}]}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:42B", "profile": "http://example.com/odrl:profile:09",
 "assigner": "http://example.com/org:43", "assignee": "http://example.com/person:44",
 "obligation": [{"action": "delete", "target": "http://example.com/document:XZY",
   "consequence": [{"action": [{"rdf:value": {"@id": "odrl:compensate"},
       "refinement": [{"leftOperand": "payAmount", "operator": "eq",
         "rightOperand": {"@value": "10.00", "@type": "xsd:decimal"},
         "unit": "http://dbpedia.org/resource/Euro"}]}],
     "compensatedParty": "http://wwf.org"}]}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:66", "profile": "http://example.com/odrl:profile:09",
 "permission": [{"target": "http://example.com/data:77", "assigner": "http://example.com/org:99",
   "assignee": "http://example.com/person:88", "action": "distribute",
   "duty": [{"action": "attribute", "attributedParty": "http://australia.gov.au/",
     "consequence": [{"action": "acceptTracking", "trackingParty": "http://example.com/dept:100"}]}]}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:33CC", "profile": "http://example.com/odrl:profile:09",
 "prohibition": [{"target": "http://example.com/data:77", "assigner": "http://example.com/person:88",
   "assignee": "http://example.com/org:99", "action": "index",
   "remedy": [{"action": "anonymize", "target": "http://example.com/data:77"}]}]},
{"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Agreement",
 "uid": "http://example.com/policy:4444", "profile": "http://example.com/odrl:profile:30",
 "inheritFrom": "http://example.com/policy:default",
 "permission": [{"target": "http://example.com/asset:5555", "action": "display",
   "assigner": "http://example.com/org-01", "assignee": "http://example.com/user:0001"}],
 "obligation": [{"target": "http://example.com/asset:terms-and-conditions", "action": "reviewPolicy",
   "assigner": "http://example.com/org-01", "assignee": "http://example.com/user:0001"}]}
]
"""
EXAMPLES: dict[str, dict[str, Any]] = {
    f"{number} {one['uid'].rpartition(':')[2]}": one for number, one in enumerate(json.loads(_EXAMPLES))
}
"""The ten, by their order and the end of their uid."""
