// Makes a few calls with node-soap, which knows nothing but the address of a WSDL. Prints a line of JSON for each:
// {"step", "result"} or {"step", "fault"}.
//
// Arguments: WSDL, user, key. axios inside it takes a proxy from HTTPS_PROXY, node an authority from NODE_EXTRA_CA_CERTS.
'use strict';

const crypto = require('node:crypto');
const soap = require('soap');

const [wsdl, user, key] = process.argv.slice(2);
const NS = 'http://www.marketo.com/mktows/';

// The children of the header have no namespace, which node-soap can't say of an object.
function authentication(age) {
  const timestamp = new Date(Date.now() - age * 1000).toISOString();
  const signature = crypto.createHmac('sha1', key).update(timestamp + user).digest('hex');
  return (
    `<mkt:AuthenticationHeader xmlns:mkt="${NS}"><mktowsUserId>${user}</mktowsUserId>` +
    `<requestSignature>${signature}</requestSignature><requestTimestamp>${timestamp}</requestTimestamp></mkt:AuthenticationHeader>`
  );
}

async function call(step, client, operation, params, read, { age = 0, fail } = {}) {
  client.clearSoapHeaders();
  client.addSoapHeader(authentication(age));
  const line = { step };
  try {
    const headers = fail ? { 'Marketo-Emulator-Fail': fail } : {};
    const [answer] = await client[operation + 'Async'](params, { timeout: 60000 }, headers);
    line.result = read(answer.result);
  } catch (e) {
    if (!e.root) throw e;
    const fault = e.root.Envelope.Body.Fault;
    line.fault = {
      class: e.constructor.name,
      code: fault.faultcode,
      text: fault.faultstring,
      detail: fault.detail ? String(fault.detail.serviceException.code) : '',
    };
  }
  console.log(JSON.stringify(line));
}

const list = (x) => (Array.isArray(x) ? x : [x]);

function lead(result) {
  const record = list(result.leadRecordList.leadRecord)[0];
  const read = { id: String(record.Id), email: record.Email };
  for (const a of list(record.leadAttributeList.attribute)) read[a.attrName] = a.attrValue;
  return read;
}

const status = (result) => ({ status: result.syncStatus.status, leadId: String(result.leadId) });

const SYNC = {
  leadRecord: {
    Email: 'toolkit@example.com',
    leadAttributeList: { attribute: [{ attrName: 'FirstName', attrValue: 'Grace & Co' }] },
  },
  returnLead: false,
};
const by = (email) => ({ leadKey: { keyType: 'EMAIL', keyValue: email } });

(async () => {
  const client = await soap.createClientAsync(wsdl, { disableCache: true });
  await call('syncLead', client, 'syncLead', SYNC, status);
  await call('getLead', client, 'getLead', by('toolkit@example.com'), lead);
  await call('unknown', client, 'getLead', by('nobody@example.com'), lead);
  await call('expired', client, 'getLead', by('toolkit@example.com'), lead, { age: 3600 });
  await call('reset', client, 'getLead', by('toolkit@example.com'), lead, { fail: 'reset' });
  await call('partial', client, 'syncLead', SYNC, status, { fail: 'partial' });
  const [service] = Object.values(client.wsdl.services);
  console.log(JSON.stringify({ step: 'location', result: { url: Object.values(service.ports)[0].location } }));
})().catch((e) => {
  console.error(e.stack);
  process.exitCode = 1;
});
