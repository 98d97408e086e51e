"""Makes a few calls with zeep, which knows nothing but the address of a WSDL. Prints a line of JSON for each:
{"step", "result"} or {"step", "fault"}.

Arguments: WSDL, user, key. requests takes a proxy and an authority from HTTPS_PROXY and REQUESTS_CA_BUNDLE.
"""

import datetime
import hashlib
import hmac
import json
import sys

import requests
import zeep
import zeep.exceptions

WSDL, USER, KEY = sys.argv[1:]
NS = "{http://www.marketo.com/mktows/}"


def client(**headers):
    session = requests.Session()
    session.headers.update(headers)
    return zeep.Client(WSDL, transport=zeep.Transport(session=session, timeout=60, operation_timeout=60))


def call(step, client, operation, read, age=0, **params):
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    timestamp = now.isoformat(timespec="seconds")
    header = client.get_element(NS + "AuthenticationHeader")(
        mktowsUserId=USER,
        requestSignature=hmac.new(KEY.encode(), (timestamp + USER).encode(), hashlib.sha1).hexdigest(),
        requestTimestamp=timestamp,
    )
    line = {"step": step}
    try:
        answer = getattr(client.service, operation)(_soapheaders=[header], **params)
        answer = getattr(answer, "body", answer)
        line["result"] = {k: str(v) for k, v in read(answer).items()}
    except zeep.exceptions.Fault as f:
        code = f.detail.find(".//code") if f.detail is not None else None
        line["fault"] = {"class": "Fault", "code": f.code, "text": f.message, "detail": code.text if code is not None else ""}
    print(json.dumps(line))


def inside(answer):
    """zeep unwraps an element that stands alone, or not, by version."""
    return getattr(answer, "result", answer)


def lead(answer):
    record = inside(answer).leadRecordList.leadRecord[0]
    read = {"id": record.Id, "email": record.Email}
    read.update((a.attrName, a.attrValue) for a in record.leadAttributeList.attribute)
    return read


def status(answer):
    result = inside(answer)
    return {"status": result.syncStatus.status, "leadId": result.leadId}


SYNC = {
    "leadRecord": {
        "Email": "toolkit@example.com",
        "leadAttributeList": {"attribute": [{"attrName": "FirstName", "attrValue": "Grace & Co"}]},
    },
    "returnLead": False,
}


def key(email):
    return {"leadKey": {"keyType": "EMAIL", "keyValue": email}}


c = client()
call("syncLead", c, "syncLead", status, **SYNC)
call("getLead", c, "getLead", lead, **key("toolkit@example.com"))
call("unknown", c, "getLead", lead, **key("nobody@example.com"))
call("expired", c, "getLead", lead, age=3600, **key("toolkit@example.com"))
call("reset", client(**{"Marketo-Emulator-Fail": "reset"}), "getLead", lead, **key("toolkit@example.com"))
call("partial", client(**{"Marketo-Emulator-Fail": "partial"}), "syncLead", status, **SYNC)
print(json.dumps({"step": "location", "result": {"url": c.service._binding_options["address"]}}))
