"""Makes a few calls with suds, which knows nothing but the address of a WSDL. Prints a line of JSON for each:
{"step", "result"} or {"step", "fault"}.

Arguments: WSDL, user, key. suds reads no environment: it is given the proxy of HTTPS_PROXY. OpenSSL takes an authority
from SSL_CERT_FILE.
"""

import datetime
import hashlib
import hmac
import json
import os
import sys

import suds
import suds.client
import suds.sax.element

WSDL, USER, KEY = sys.argv[1:]
NS = ("mkt", "http://www.marketo.com/mktows/")


def client(**headers):
    proxy = {"https": os.environ["HTTPS_PROXY"]} if "HTTPS_PROXY" in os.environ else {}
    return suds.client.Client(WSDL, cache=None, proxy=proxy, headers=headers, timeout=60)


def authentication(client, age):
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    timestamp = now.isoformat(timespec="seconds")
    header = client.factory.create("{%s}AuthenticationHeader" % NS[1])
    header.mktowsUserId = USER
    header.requestTimestamp = timestamp
    header.requestSignature = hmac.new(KEY.encode(), (timestamp + USER).encode(), hashlib.sha1).hexdigest()
    return header


def call(step, client, operation, read, age=0, **params):
    client.set_options(soapheaders=authentication(client, age))
    line = {"step": step}
    try:
        answer = getattr(client.service, operation)(**params)
        line["result"] = {k: str(v) for k, v in read(answer).items()}
    except suds.WebFault as f:
        detail = getattr(f.fault, "detail", None)
        exception = getattr(detail, "serviceException", None)
        line["fault"] = {
            "class": "WebFault",
            "code": str(f.fault.faultcode),
            "text": str(f.fault.faultstring),
            "detail": str(getattr(exception, "code", "")),
        }
    except Exception as e:  # suds reads a fault from a 500 only; of any other status it tells no more than this
        line["fault"] = {"class": type(e).__name__, "code": str(e.args[0][0]), "text": str(e.args[0][1])}
    print(json.dumps(line))


def inside(answer):
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
port = c.wsdl.services[0].ports[0]
print(json.dumps({"step": "location", "result": {"url": str(port.methods["getLead"].location)}}))
