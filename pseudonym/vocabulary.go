package pseudonym

import (
	"strings"
	"sync"
)

// words are those of Marketo's messages (Adobe's tables of codes, messages seen) and of the error pages of gateways. In free text
// they stay.
var words = setOf(`
	a abort aborted accept acceptable accepts access account accounts acquired action activities activity add additional
	address addresses admin advised again ago alias all allotted allow allowance allowed allowlist allows almost already
	also alternatively always and another answer answered answers any apache api application appropriate approve approved
	are array as ask asset assets assigned associate at attempt attempts attribute attributes attrname attrvalue
	authenticate authenticated authentication authorised authorization authorized available backend backoff bad badly
	based batch because been before begin begins being belong below beta between blank blocked body both break broken
	browser buffer bulk business busy but by bytes cache call called calling calls campaign campaigns can can't cancel
	canceled cancelled cannot carried central certain certificate change channel character characters check chunk clear
	click client clients clone clones clonetoprogramname close closed cloudflare code column columns command comment
	companies company complete completed concurrency concurrent condition conflict connect connected connecting connection
	connections constant consult contact contacts contain contains content contention continue cookie cookies correct
	correctly corrupt could couldn't count create created createonly creating creation credentials criteria crm cst csv
	custom customer customers cut daily data database date days deadlock decode decoding dedup dedupe default defined
	delete deleted denied deploy description designated destination detail details detected developer device dial did
	didn't discard discarding dns does doesn't domain don't down downstream draft due duplicate duplicated during dynamic
	each either elapsed else email empty enabled encoding encountered encrypt end ended endpoint endpoints engage enough
	enter entity envelope eof errno error errors ex exceeded exceeding exception exceptions exist existent existing exists
	expect expected expecting expects expiration expired expires exponential export externalcompanyid
	externalsalespersonid extract failed failing fails failure false fatal fault feature field's fields file filled filter
	filters filtertype filtervalues find finished first firstname fix flag folder folders following for forbidden foreign
	form format formatted formed forms found frame from fulfill fulfilled fulfilling full future gateway generated get
	gone greater guid had handle handler handshake has have header hello help host hostname hour hours html http https i/o
	id identifier identity idle ids if ignored illegal immediately import imported imports improperly inaccessibility
	inactive incident include included incompatible incomplete incorrect incorrectly increase indicates information
	informational input inside instance instead integer integration interface internal interrupted into invalid invoked io
	ip is isn't issue it item items its java job jobs json kb key keytype keyvalue kilobytes known label lacks landing
	large last lastname later lead leadactivityfilter leadid leading leadkey leadkeytype leadrecord leads left length
	letters likely limit limited line lines list listed listkey lists load loading local location logged login longer
	lookup lost low lower made maintenance malformed managed manager mandatory many mapping marketo match matched matches
	maximum mb md member members membership menu merge merged mergeincrm merging message messages met metadata method
	middle minute minutes mismatch missing misspelled mistake mkto mktows mktserviceexception mode month months more most
	moved multipart multiple munchkin must name named names native natively need needs negative neither network new newer
	next nginx no node non nor not note notes notfound nothing null number object object's objects occur occurs of off
	offset often ok old on one ongoing online only open opened operation operations opportunities opportunity optional or
	org origin other out overflow overloaded own owner param parameter parameter's parameters parent parse parsed parser
	parsing partial partially partition passed password past path payload payment peer pending people per perform
	performed period permission permissions person personalised personalized persons phone please point policy pool port
	position positive possible possibly precondition present presumably prevented previous primary principal private
	problem processed processes processing program program's programs progress provide provided proxies proxy public query
	question queue queued quota quoted ran range rate reached read reading ready reason reasons receive received receives
	recipient recommended reconnect record record's records redirect redirected reduce reference refresh refused register
	registered reject rejected relation relationship remaining remote remove removed repeated replaced reported request
	request's requested requests required requirement reserved reset resets resolve resource response responses rest
	restricted result retried retries retrieve retry return returned returns revoked role row rows rule runat running
	salesforce salespersons same saved scenario schedule scheme scope score search searches second secondary seconds
	secret secs secure security seen segment select selection self send sending sends sent separate sequence server
	service serviceexception services session set several severe sfdc short shorten should show signature signed single
	skipped slow smart smartlistid smartlistname snippet soap social socket some source space specific specified specifies
	specifying spelled ssl standard start started starting state statement static status step still stop stopped store
	stream string strings sub submit submitted subscription subscription's subscriptions succeed succeeded success
	successful such sufficient support supported suspended switch sync synced synclead system table tag tags target task
	template templates temporarily temporary terminated text than that the then there these this throttled through time
	timed timeout timestamp tls to today together token tokens too total trace trailing transaction transfer transient
	transport trigger triggers true truncated trust try trying turn twice two type types typo unable unauthenticated
	unauthorised unauthorized unavailable unblock undefined underlying understood unexpected unhandled unique unknown
	unprocessable unreachable unreadable unrecognised unrecognized unsubscribed unsupported until up update updated
	updatedat updateonly updates updating upload upstream uri url urls use used user user's uses using usually utf valid
	validate validation value values variable verification verified verify version via view violate violates violation
	visit wait waiting want warning warnings was way web webhook webpage website week weeks well were what when whenever
	where which while whose why with within without workspace would write writing written wrong wrote wsdl xml xsd year
	years yes yet you your zone`)

// ambiguous are words of Marketo's messages that are also names of people: they stay in lower case only, and where they begin
// one of the phrases.
var (
	ambiguous = setOf(`am an be best case cash day do early far field given head in lock long mark max may page pages post price see so
		will young`)
	phrases = [...]string{
		"Max rate limit", "Max field limit", "Max Activity Type", "Lock wait timeout", "Field ‘", "Field '",
	}
)

// standardFields are names of fields of a lead that every instance has. Their names stay in free text, their values do not.
var standardFields = setOf(`address addresslead anonymousip annualrevenue billingcity billingcountry billingpostalcode billingstate
	billingstreet city company country dateofbirth department donotcall email emailinvalid emailaddress externalcompanyid
	externalsalespersonid facebookid fax firstname gender industry inferredcity inferredcompany inferredcountry lastname leadscore
	leadsource leadstatus linkedinid marketocookie mainphone middlename mobilephone numberofemployees originalreferrer
	originalsourceinfo originalsourcetype personsource phone postalcode rating registrationsourceinfo salutation sfdcaccountid
	sfdccontactid sfdcleadid sfdcid site state title twitterid unsubscribed website filtervalues cookies marketosocial
	foreignsyspersonid leadkey keyvalue leadrecord leadattributelist attrvalue primaryattributevalue input`)

// setOf returns a set that is made when it is asked for the first time: a proxy may never need it.
func setOf(list string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		set := make(map[string]bool)
		for _, w := range strings.Fields(list) {
			set[w] = true
		}
		return set
	})
}
