<?php
// Makes a few calls with PHP's SoapClient, which knows nothing but the address of a WSDL. Prints a line of JSON for each:
// {"step", "result"} or {"step", "fault"}.
// Arguments: WSDL, user, key. E2E_CA is a file with the authority to trust.

[, $wsdl, $user, $key] = $argv;
ini_set('soap.wsdl_cache_enabled', '0');
date_default_timezone_set('UTC');

function client(string $wsdl, string $header = ''): SoapClient
{
    $context = stream_context_create([
        'http' => ['header' => $header],
        'ssl' => ['cafile' => getenv('E2E_CA')],
    ]);
    return new SoapClient($wsdl, ['stream_context' => $context, 'exceptions' => true, 'trace' => true, 'keep_alive' => true,
        'cache_wsdl' => WSDL_CACHE_NONE]);
}

function call(string $step, SoapClient $client, string $operation, array $params, callable $read, int $age = 0): void
{
    global $user, $key;
    $timestamp = date('c', time() - $age);
    $header = new SoapHeader('http://www.marketo.com/mktows/', 'AuthenticationHeader', [
        'mktowsUserId' => $user,
        'requestSignature' => hash_hmac('sha1', $timestamp . $user, $key),
        'requestTimestamp' => $timestamp,
    ]);
    $line = ['step' => $step];
    try {
        $line['result'] = array_map('strval', $read($client->__soapCall($operation, [$params], null, $header)));
    } catch (SoapFault $f) {
        $line['fault'] = ['class' => get_class($f), 'code' => $f->faultcode, 'text' => $f->faultstring,
            'detail' => (string) ($f->detail->serviceException->code ?? '')];
    }
    echo json_encode($line), "\n";
}

function lead(object $answer): array
{
    $lead = $answer->result->leadRecordList->leadRecord;
    $lead = is_array($lead) ? $lead[0] : $lead;
    $read = ['id' => $lead->Id, 'email' => $lead->Email];
    $attributes = $lead->leadAttributeList->attribute;
    foreach (is_array($attributes) ? $attributes : [$attributes] as $a) {
        $read[$a->attrName] = $a->attrValue;
    }
    return $read;
}

function status(object $answer): array
{
    return ['status' => $answer->result->syncStatus->status, 'leadId' => $answer->result->leadId];
}

$sync = [
    'leadRecord' => [
        'Email' => 'toolkit@example.com',
        'leadAttributeList' => ['attribute' => [['attrName' => 'FirstName', 'attrValue' => 'Grace & Co']]],
    ],
    'returnLead' => false,
];
$key_ = fn (string $email) => ['leadKey' => ['keyType' => 'EMAIL', 'keyValue' => $email]];

$client = client($wsdl);
call('syncLead', $client, 'syncLead', $sync, 'status');
call('getLead', $client, 'getLead', $key_('toolkit@example.com'), 'lead');
call('unknown', $client, 'getLead', $key_('nobody@example.com'), 'lead');
call('expired', $client, 'getLead', $key_('toolkit@example.com'), 'lead', 3600);
call('reset', client($wsdl, 'Marketo-Emulator-Fail: reset'), 'getLead', $key_('toolkit@example.com'), 'lead');
call('partial', client($wsdl, 'Marketo-Emulator-Fail: partial'), 'syncLead', $sync, 'status');

// Where the calls went: the SoapClient tells the Host it sent them to.
preg_match('/^Host: (\S+)/mi', $client->__getLastRequestHeaders(), $host);
echo json_encode(['step' => 'location', 'result' => ['url' => parse_url($wsdl, PHP_URL_SCHEME) . '://' . $host[1]]]), "\n";
