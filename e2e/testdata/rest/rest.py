"""Makes a few REST calls with requests, as marketorestpython and tap-marketo do. Prints a line of JSON for each:
{"step", "result"} or {"step", "fault"}.

Arguments: base URL, client, secret. requests takes a proxy and an authority from HTTPS_PROXY and REQUESTS_CA_BUNDLE.
"""

import json
import sys

import requests

BASE, CLIENT, SECRET = sys.argv[1:]
session = requests.Session()
grant = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
token = session.get(BASE + "/identity/oauth/token", params=grant, timeout=60).json()["access_token"]
session.headers["Authorization"] = "Bearer " + token


def call(step, read, method, path, **arguments):
    answer = session.request(method, BASE + path, timeout=60, **arguments).json()
    line = {"step": step}
    if answer["success"]:
        line["result"] = read(answer["result"][0])
    else:
        error = answer["errors"][0]
        line["fault"] = {"class": "errors", "code": error["code"], "text": error["message"]}
    print(json.dumps(line))


def lead(record):
    return {"id": str(record["id"]), "email": record["email"]}


def status(record):
    return {"status": record["status"], "code": record["reasons"][0]["code"]}


call("leads", lead, "GET", "/rest/v1/leads.json", params={"filterType": "email", "filterValues": "rufus@marketo.com"})
call("fault", dict, "GET", "/rest/v1/stats/usage.json")
sync = {"action": "createOnly", "lookupField": "email", "input": [{"email": "rufus@marketo.com"}]}
call("partial", status, "POST", "/rest/v1/leads.json", json=sync)
call("reset", dict, "GET", "/rest/v1/campaigns.json")
