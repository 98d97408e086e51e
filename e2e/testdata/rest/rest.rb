# Makes a few REST calls with Ruby's net/http. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
# Arguments: base URL, client, secret. net/http takes a proxy from http_proxy, also for https; OpenSSL takes an authority from SSL_CERT_FILE.
require 'json'
require 'net/http'

base, client, secret = ARGV
site = URI(base)
http = Net::HTTP.start(site.host, site.port, use_ssl: site.scheme == 'https')
grant = URI.encode_www_form(grant_type: 'client_credentials', client_id: client, client_secret: secret)
token = JSON.parse(http.get("/identity/oauth/token?#{grant}").body)['access_token']
headers = { 'Authorization' => "Bearer #{token}", 'Content-Type' => 'application/json' }

call = lambda do |step, response, &read|
  answer = JSON.parse(response.body)
  line = { step: step }
  if answer['success']
    line[:result] = read.call(answer['result'][0])
  else
    error = answer['errors'][0]
    line[:fault] = { class: 'errors', code: error['code'], text: error['message'] }
  end
  puts line.to_json
end

call.call('leads', http.get('/rest/v1/leads.json?filterType=email&filterValues=rufus@marketo.com', headers)) do |lead|
  { id: lead['id'].to_s, email: lead['email'] }
end
call.call('fault', http.get('/rest/v1/stats/usage.json', headers))
sync = { action: 'createOnly', lookupField: 'email', input: [{ email: 'rufus@marketo.com' }] }
call.call('partial', http.post('/rest/v1/leads.json', sync.to_json, headers)) do |lead|
  { status: lead['status'], code: lead['reasons'][0]['code'] }
end
call.call('reset', http.get('/rest/v1/campaigns.json', headers))
