// Makes a few REST calls with node-marketo-rest. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
// Arguments: base URL, client, secret. restler inside it reads no proxy from the environment; node takes an authority from
// NODE_EXTRA_CA_CERTS.
'use strict';

const Marketo = require('node-marketo-rest');

const [base, clientId, clientSecret] = process.argv.slice(2);
const marketo = new Marketo({
  endpoint: base + '/rest',
  identity: base + '/identity',
  clientId,
  clientSecret,
  retry: { maxRetries: 1, initialDelay: 10 },
});

async function call(step, promise, read) {
  const line = { step };
  try {
    line.result = read((await promise).result[0]);
  } catch (e) {
    if (!e.errors) throw e;
    line.fault = { class: e.name, code: e.errors[0].code, text: e.errors[0].message };
  }
  console.log(JSON.stringify(line));
}

(async () => {
  await call('leads', marketo.lead.find('email', ['rufus@marketo.com']), (r) => ({ id: String(r.id), email: r.email }));
  await call('fault', marketo.stats.usage(), (r) => r);
  const sync = marketo.lead.createOrUpdate([{ email: 'rufus@marketo.com' }], { action: 'createOnly', lookupField: 'email' });
  await call('partial', sync, (r) => ({ status: r.status, code: r.reasons[0].code }));
  // These two are POSTs with _method=GET in their forms.
  await call('list leads', marketo.list.getLeads(1002), (r) => ({ id: String(r.id) }));
  await call('list fault', marketo.list.byId(1002), (r) => r);
  // The last one: a GET that is called again here leaves its form, without a length, in front of the next request.
  await call('reset', marketo.campaign.getCampaigns(), (r) => r);
})().catch((e) => {
  console.error(e.stack);
  process.exitCode = 1;
});
