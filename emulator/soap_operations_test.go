package emulator

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func key(kind, value string) string {
	return "<leadKey><keyType>" + kind + "</keyType><keyValue>" + value + "</keyValue></leadKey>"
}

func attributes(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<attribute><attrName>%s</attrName><attrValue>%s</attrValue></attribute>", pairs[i], pairs[i+1])
	}
	return b.String()
}

func record(inside string, pairs ...string) string {
	return "<leadRecord>" + inside + "<leadAttributeList>" + attributes(pairs...) + "</leadAttributeList></leadRecord>"
}

// TestFaultsFromTheCallsThemselves has every code that a call can bring on itself.
func TestFaultsFromTheCallsThemselves(t *testing.T) {
	b := newBench(t)
	now := b.clock.Now()
	day := func(days int) string { return now.AddDate(0, 0, -days).Format(time.RFC3339) }
	keys := strings.Repeat("<stringItem>x@example.com</stringItem>", 101)
	for _, test := range []struct{ code, operation, inside string }{
		{"20101", "getLead", ""},
		{"20101", "getLead", key("EMAIL", "")},
		{"20102", "getLead", key("MAIL", "x@example.com")},
		{"20103", "getLead", key("IDNUM", "1")},
		{"20110", "getLead", key("IDNUM", "one")},
		{"20103", "getLead", key("COOKIE", "unknown")},
		{"20103", "getLead", key("SFDCLEADID", "00Q")},
		{"20108", "getLead", key("LEADOWNEREMAIL", "nobody@example.com")},

		{"20104", "syncLead", "<returnLead>true</returnLead>"},
		{"20101", "syncLead", record("", "City", "Ghent")},
		{"20103", "syncLead", record("<Id>1</Id>")},
		{"20105", "syncLead", record("<Email>a@example.com</Email>", "Shoes", "42")},
		{"20106", "syncLead", record("<Email>not an address</Email>")},
		{"20106", "syncLead", record("<Email>a@example.com</Email>", "AnonymousIP", "10.0.0.1")},
		{"20106", "syncLead", record("<Email>a@example.com</Email>", "LeadScore", "high")},
		{"20110", "syncLead", record("<ForeignSysPersonId>7</ForeignSysPersonId><ForeignSysType>SAP</ForeignSysType>")},
		{"20104", "syncMultipleLeads", ""},
		{"20104", "syncMultipleLeads", "<leadRecordList/>"},

		{"10001", "getMultipleLeads", ""},
		{"20101", "getMultipleLeads", `<leadSelector xsi:type="ns1:LeadKeySelector"><keyType>EMAIL</keyType></leadSelector>`},
		{"20102", "getMultipleLeads", `<leadSelector><keyType>MAIL</keyType><keyValues><stringItem>x</stringItem></keyValues></leadSelector>`},
		{"20110", "getMultipleLeads", `<leadSelector><keyType>EMAIL</keyType><keyValues>` + keys + `</keyValues></leadSelector>`},
		{"20111", "getMultipleLeads", `<leadSelector><staticListName>Nowhere</staticListName></leadSelector>`},
		{"20110", "getMultipleLeads", `<leadSelector xsi:type="ns1:MoonSelector"/>`},
		{"20109", "getMultipleLeads", `<leadSelector xsi:type="ns1:LastUpdateAtSelector"/>`},
		{"20022", "getMultipleLeads", `<leadSelector><oldestUpdatedAt>` + day(31) + `</oldestUpdatedAt></leadSelector>`},
		{"20022", "getMultipleLeads", `<leadSelector><latestUpdatedAt>` + day(10) + `</latestUpdatedAt><oldestUpdatedAt>` + day(41) + `</oldestUpdatedAt></leadSelector>`},
		{"20110", "getMultipleLeads", `<leadSelector><oldestUpdatedAt>lately</oldestUpdatedAt></leadSelector>`},
		{"20114", "getMultipleLeads", newsletter + `<batchSize>0</batchSize>`},
		{"20114", "getMultipleLeads", newsletter + `<batchSize>many</batchSize>`},
		{"20122", "getMultipleLeads", newsletter + `<streamPosition>bogus</streamPosition>`},
		{"20122", "getMultipleLeads", newsletter + `<streamPosition>id:x:os:1:rc:2</streamPosition>`},
		{"20123", "getMultipleLeads", newsletter + `<streamPosition>id:5:os:1:rc:0</streamPosition>`},

		{"20101", "mergeLeads", ""},
		{"20103", "mergeLeads", "<winningLeadKeyList>" + attributes("IDNUM", "1") + "</winningLeadKeyList><losingLeadKeyLists><keyList>" + attributes("IDNUM", "15") + "</keyList></losingLeadKeyLists>"},

		{"20017", "listOperation", ""},
		{"20109", "listOperation", "<listOperation/>"},
		{"20110", "listOperation", "<listOperation>CLEARLIST</listOperation>"},
		{"20017", "listOperation", "<listOperation>ADDTOLIST</listOperation>"},
		{"20110", "listOperation", "<listOperation>ADDTOLIST</listOperation><listKey><keyType>NAME</keyType><keyValue>Newsletter</keyValue></listKey>"},
		{"20111", "listOperation", "<listOperation>ADDTOLIST</listOperation><listKey><keyType>MKTOLISTNAME</keyType><keyValue>Nowhere</keyValue></listKey>"},
		{"20101", "listOperation", "<listOperation>ADDTOLIST</listOperation><listKey><keyType>MKTOLISTNAME</keyType><keyValue>Newsletter</keyValue></listKey>"},
		{"20103", "listOperation", listCall("ADDTOLIST", key("IDNUM", "1")) + "<strict>true</strict>"},

		{"20017", "importToList", ""},
		{"20109", "importToList", "<programName/>"},
		{"20110", "importToList", importCall("SOMEHOW", "") + "<listName>L</listName>"},
		{"20113", "importToList", importCall("LISTONLY", "") + "<listName>L</listName><campaignName>Nothing</campaignName>"},
		{"20017", "getImportToListStatus", ""},
		{"20111", "getImportToListStatus", "<programName>P</programName><listName>Nowhere</listName>"},
		{"20111", "getImportToListStatus", "<programName>P</programName><listName>Newsletter</listName>"},

		{"20017", "getCampaignsForSource", ""},
		{"20110", "getCampaignsForSource", "<source>MOON</source>"},
		{"20109", "requestCampaign", "<source>MKTOWS</source>"},
		{"20113", "requestCampaign", "<source>MKTOWS</source><campaignId>1</campaignId>"},
		{"20113", "requestCampaign", "<source>MKTOWS</source><campaignId>4501</campaignId>"}, // not a trigger campaign
		{"20101", "requestCampaign", "<source>MKTOWS</source><campaignId>4496</campaignId>"},
		{"20103", "requestCampaign", "<source>MKTOWS</source><campaignId>4496</campaignId><leadList>" + key("IDNUM", "1") + "</leadList>"},
		{"20017", "scheduleCampaign", ""},
		{"20113", "scheduleCampaign", "<programName>Default</programName><campaignName>Nothing</campaignName>"},
		{"20110", "scheduleCampaign", "<programName>Default</programName><campaignName>Monthly Newsletter</campaignName><campaignRunAt>soon</campaignRunAt>"},

		{"20017", "syncCustomObjects", ""},
		{"20110", "syncCustomObjects", "<objTypeName>Moon</objTypeName>"},
		{"20017", "syncCustomObjects", "<objTypeName>Roadshow</objTypeName>"},
		{"20110", "syncCustomObjects", "<objTypeName>Roadshow</objTypeName><operation>REPLACE</operation>"},
		{"20017", "deleteCustomObjects", "<objTypeName>Roadshow</objTypeName>"},
		{"20110", "getCustomObjects", "<objTypeName>Roadshow</objTypeName><customObjKeyList>" + attributes("moon", "1") + "</customObjKeyList>"},
		{"20122", "getCustomObjects", "<objTypeName>Roadshow</objTypeName><streamPosition>bogus</streamPosition>"},
		{"20123", "getCustomObjects", "<objTypeName>Roadshow</objTypeName><streamPosition>{&quot;ky&quot;:[],&quot;os&quot;:3}</streamPosition>"},

		{"20017", "syncMObjects", ""},
		{"20017", "syncMObjects", "<operation>INSERT</operation>"},
		{"20110", "syncMObjects", "<mObjectList><mObject><type>Moon</type></mObject></mObjectList><operation>INSERT</operation>"},
		{"20110", "deleteMObjects", "<mObjectList><mObject><type>Opportunity</type><id>x</id></mObject></mObjectList>"},
		{"20110", "getMObjects", "<type>Moon</type>"},
		{"20110", "getMObjects", "<type>Program</type><mObjCriteriaList><mObjCriteria><comparison>LIKE</comparison></mObjCriteria></mObjCriteriaList>"},
		{"20122", "getMObjects", "<type>Program</type><streamPosition>bogus</streamPosition>"},
		{"20110", "describeMObject", "<objectName>Moon</objectName>"},
		{"20110", "getTags", "<tagList><tag><type>Moon</type></tag></tagList>"},

		{"20101", "getLeadActivity", ""},
		{"20103", "getLeadActivity", key("IDNUM", "1")},
		{"20107", "getLeadActivity", joe + "<activityFilter><includeTypes><activityType>FlyToMoon</activityType></includeTypes></activityFilter>"},
		{"20122", "getLeadActivity", joe + "<startPosition><offset>bogus</offset></startPosition>"},
		{"20114", "getLeadActivity", joe + "<batchSize>-1</batchSize>"},
		{"20017", "getLeadChanges", ""},
		{"20107", "getLeadChanges", "<startPosition/><activityNameFilter><stringItem>Fly To Moon</stringItem></activityNameFilter>"},
		{"20110", "getLeadChanges", "<startPosition><oldestCreatedAt>lately</oldestCreatedAt></startPosition>"},
	} {
		a := b.soap(test.operation, test.inside)
		f := readFault(t, a)
		if a.status != 500 || f.Number != test.code {
			t.Errorf("%s %s: want %s, got %d:\n%s", test.operation, test.inside, test.code, a.status, a.body)
		}
	}
	f := b.wantFault(b.soap("getLead", key("EMAIL", "some&lt;one@example.com")), "20103")
	if f.Message != "No lead found with EMAIL = some<one@example.com (20103)" {
		t.Errorf("message %q", f.Message)
	}
}

func listCall(operation, members string) string {
	return "<listOperation>" + operation + "</listOperation><listKey><keyType>MKTOLISTNAME</keyType><keyValue>Newsletter</keyValue></listKey>" +
		"<listMemberList>" + members + "</listMemberList>"
}

func importCall(mode, rows string) string {
	return "<programName>P</programName><importFileHeader>Email Address,City,Shoe Size</importFileHeader><importFileRows>" + rows +
		"</importFileRows><importListMode>" + mode + "</importListMode>"
}

func TestSyncAndGetLeads(t *testing.T) {
	b := newBench(t)
	b.want(b.soap("syncLead", record("<Email>new@example.com</Email>", "FirstName", "Nina", "City", "A &amp; B")+"<returnLead>true</returnLead>"),
		"<leadId>1090201</leadId><syncStatus><leadId>1090201</leadId><status>CREATED</status><error xsi:nil=\"true\"/></syncStatus><leadRecord><Id>1090201</Id>")
	b.want(b.soap("syncLead", record("<Email>NEW@example.com</Email>", "First Name", "Nora")+"<returnLead>false</returnLead>"),
		"<status>UPDATED</status>", `<leadRecord xsi:nil="true"/>`)
	b.want(b.soap("getLead", key("EMAIL", "new@example.com")), "<count>1</count>",
		"<attrName>City</attrName><attrType>string</attrType><attrValue>A &amp; B</attrValue>", "<attrValue>Nora</attrValue>")
	b.want(b.soap("getLead", key("EMAIL", "twin@example.com")), "<count>2</count>")
	b.want(b.soap("syncLead", record("<Id>2</Id><Email>renamed@example.com</Email>")), "UPDATED")
	b.want(b.soap("getLead", key("EMAIL", "renamed@example.com")), "<Id>2</Id>")
	b.wantFault(b.soap("getLead", key("EMAIL", "ada@example.com")), "20103")
	b.want(b.soap("syncLead", record("")+"<marketoCookie>id:1&amp;token:x</marketoCookie>"), "CREATED")
	b.want(b.soap("getLead", key("COOKIE", "id:1&amp;token:x")), "<count>1</count>")
	b.want(b.soap("syncLead", record("<ForeignSysPersonId>00Q1</ForeignSysPersonId><ForeignSysType>SFDC</ForeignSysType>")), "CREATED")
	b.want(b.soap("syncLead", record("<ForeignSysPersonId>00Q1</ForeignSysPersonId><ForeignSysType>SFDC</ForeignSysType>", "City", "X")), "UPDATED")
	b.want(b.soap("getLead", key("SFDCLEADID", "00Q1")), "<ForeignSysPersonId>00Q1</ForeignSysPersonId><ForeignSysType>SFDC</ForeignSysType>")
	b.want(b.soap("getLead", key("LEADOWNEREMAIL", sampleOwner)), "<count>3</count>")

	batch := "<leadRecordList>" + record("<Email>m1@example.com</Email>") + record("<Email>m1@example.com</Email>", "Shoes", "42") + record("<Email>bad</Email>") +
		record("<Email>new@example.com</Email>") + "</leadRecordList>"
	b.want(b.soap("syncMultipleLeads", batch+"<dedupEnabled>true</dedupEnabled>"),
		"<status>CREATED</status><error xsi:nil=\"true\"/></syncStatus><syncStatus><leadId>0</leadId><status>FAILED</status><error>Unknown lead field: Shoes</error>",
		"<status>FAILED</status><error>Invalid email address</error>", "<leadId>1090201</leadId><status>UPDATED</status>")
	b.wantCount("soap", "syncMultipleLeads", "partial", 1)
	b.want(b.soap("syncMultipleLeads", "<leadRecordList>"+record("<Email>new@example.com</Email>")+"</leadRecordList><dedupEnabled>false</dedupEnabled>"), "CREATED")
	b.want(b.soap("getLead", key("EMAIL", "new@example.com")), "<count>2</count>")
}

func TestPaging(t *testing.T) {
	b := newBench(t)
	selector := `<leadSelector xsi:type="ns1:LastUpdateAtSelector"><oldestUpdatedAt>2026-11-20T00:00:00Z</oldestUpdatedAt></leadSelector>`
	include := "<includeAttributes><stringItem>FirstName</stringItem></includeAttributes>"
	position, pages, leads := "", 0, 0
	for {
		flat := b.want(b.soap("getMultipleLeads", selector+"<streamPosition>"+position+"</streamPosition><batchSize>5</batchSize>"+include))
		pages++
		leads += strings.Count(flat, "<leadRecord>")
		if strings.Contains(flat, "LastName") {
			t.Error("an attribute that was not asked for")
		}
		position = between(flat, "<newStreamPosition>", "</newStreamPosition>")
		if position == "" {
			break
		}
	}
	if pages != 3 || leads != 14 {
		t.Errorf("%d pages, %d leads", pages, leads)
	}
	b.want(b.soap("getMultipleLeads", "<lastUpdatedAt>2026-11-30T00:00:00Z</lastUpdatedAt>"), "<returnCount>0</returnCount>", `<leadRecordList xsi:nil="true"/>`)

	offset, activities := "", 0
	for range 10 {
		flat := b.want(b.soap("getLeadChanges", "<startPosition><oldestCreatedAt>2026-11-20T00:00:00Z</oldestCreatedAt><offset>"+offset+
			"</offset></startPosition><activityNameFilter><stringItem>New Lead</stringItem></activityNameFilter><batchSize>6</batchSize>"))
		activities += strings.Count(flat, "<leadChangeRecord>")
		offset = between(flat, "<offset>", "</offset>")
		if strings.Contains(flat, "<remainingCount>0<") {
			break
		}
	}
	if activities != 14 {
		t.Errorf("%d changes", activities)
	}
	b.want(b.soap("getLeadChanges", "<startPosition/>"+newsletter), "<returnCount>9</returnCount>")
	b.want(b.soap("getLeadActivity", joe+"<activityFilter><excludeTypes><activityType>VisitWebpage</activityType></excludeTypes></activityFilter>"),
		"<returnCount>1</returnCount>", "<activityType>New Lead</activityType>", "<personName>Joe Sample</personName>", "<mktPersonId>67508</mktPersonId>")
	b.want(b.soap("getLeadActivity", joe+"<startPosition><latestCreatedAt>2020-01-01T00:00:00Z</latestCreatedAt></startPosition>"),
		"<returnCount>0</returnCount>", `<activityRecordList xsi:nil="true"/>`)

	flat := b.want(b.soap("getCustomObjects", "<objTypeName>roadshow</objTypeName><batchSize>2</batchSize><includeAttributes><stringItem>city</stringItem></includeAttributes>"),
		"<objTypeName>Roadshow</objTypeName>", "<returnCount>2</returnCount>", "<remainingCount>1</remainingCount>")
	if strings.Contains(flat, "zip") {
		t.Error("an attribute that was not asked for")
	}
	b.want(b.soap("getCustomObjects", "<objTypeName>roadshow</objTypeName><streamPosition>"+between(flat, "<newStreamPosition>", "</newStreamPosition>")+"</streamPosition>"),
		"<returnCount>1</returnCount>", "<remainingCount>0</remainingCount>")

	var many strings.Builder
	for range 2 {
		many.Reset()
		for i := range 100 {
			fmt.Fprintf(&many, "<mObject><type>OpportunityPersonRole</type><attribList><attrib><name>Role</name><value>r%d</value></attrib></attribList></mObject>", i)
		}
		b.want(b.soap("syncMObjects", "<mObjectList>"+many.String()+"</mObjectList><operation>INSERT</operation>"), "CREATED")
	}
	flat = b.want(b.soap("getMObjects", "<type>OpportunityPersonRole</type>"), "<returnCount>100</returnCount><hasMore>true</hasMore>")
	flat = b.want(b.soap("getMObjects", "<type>OpportunityPersonRole</type><streamPosition>"+between(flat, "<newStreamPosition>", "</newStreamPosition>")+"</streamPosition>"),
		"<returnCount>100</returnCount><hasMore>true</hasMore>")
	b.want(b.soap("getMObjects", "<type>OpportunityPersonRole</type><streamPosition>"+between(flat, "<newStreamPosition>", "</newStreamPosition>")+"</streamPosition>"),
		"<returnCount>1</returnCount><hasMore>false</hasMore>")
}

func between(text, start, end string) string {
	_, rest, _ := strings.Cut(text, start)
	inside, _, ok := strings.Cut(rest, end)
	if !ok {
		return ""
	}
	return inside
}

func TestMergeLeads(t *testing.T) {
	b := newBench(t)
	merge := func(losers ...string) string {
		text := "<winningLeadKeyList>" + attributes("IDNUM", "2") + "</winningLeadKeyList><losingLeadKeyLists>"
		for _, id := range losers {
			text += "<keyList>" + attributes("IDNUM", id) + "</keyList>"
		}
		return text + "</losingLeadKeyLists>"
	}
	b.want(b.soap("mergeLeads", merge("15", "1")), "<status>FAILED</status><error>No lead found with IDNUM = 1</error>")
	b.want(b.soap("mergeLeads", merge("2")), "<status>FAILED</status>")
	b.want(b.soap("mergeLeads", merge("15", "16")), "<winningLeadId>2</winningLeadId><losingLeadIdList><integerItem>15</integerItem><integerItem>16</integerItem></losingLeadIdList>"+
		`<status>MERGED</status><error xsi:nil="true"/>`)
	b.wantFault(b.soap("getLead", key("IDNUM", "15")), "20103")
	b.wantCount("soap", "mergeLeads", "partial", 2)
}

func TestLists(t *testing.T) {
	b := newBench(t)
	b.want(b.soap("listOperation", listCall("ISMEMBEROFLIST", key("IDNUM", "2")+key("IDNUM", "15")+key("IDNUM", "1"))),
		"<success>false</success><statusList><leadStatus><leadKey><keyType>IDNUM</keyType><keyValue>2</keyValue></leadKey><status>true</status></leadStatus>",
		"<keyValue>15</keyValue></leadKey><status>false</status>")
	b.wantCount("soap", "listOperation", "ok", 1) // an answer, not a failure
	b.want(b.soap("listOperation", listCall("ADDTOLIST", key("IDNUM", "15"))), `<success>true</success><statusList xsi:nil="true"/>`)
	b.want(b.soap("listOperation", listCall("ISMEMBEROFLIST", key("IDNUM", "15"))), "<success>true</success>")
	b.want(b.soap("listOperation", listCall("REMOVEFROMLIST", key("IDNUM", "15")+key("IDNUM", "1"))), "<success>false</success>")
	b.wantCount("soap", "listOperation", "partial", 1)
	b.want(b.soap("listOperation", listCall("ISMEMBEROFLIST", key("IDNUM", "15"))), "<success>false</success>")
	b.want(b.soap("getMultipleLeads", newsletter), "<returnCount>3</returnCount>")
	b.want(b.soap("getMultipleLeads", "<leadSelector><staticListId>1002</staticListId></leadSelector>"), "<returnCount>3</returnCount>")
}

func TestImportToList(t *testing.T) {
	b := newBench(t, func(o *Options) { o.JobTime = time.Minute })
	rows := "<stringItem>imp@example.com,\"Den Haag, NL\",42</stringItem><stringItem>only one</stringItem><stringItem>bad,x,1</stringItem>"
	end := "<listName>Imported</listName><clearList>false</clearList>"
	b.want(b.soap("importToList", importCall("UPSERTLEADS", rows)+end), "<importStatus>PROCESSING</importStatus>")
	status := "<programName>P</programName><listName>Imported</listName>"
	b.want(b.soap("getImportToListStatus", status), "<status>PROCESSING</status>", `<endedTime xsi:nil="true"/>`)
	b.clock.advance(time.Minute)
	b.want(b.soap("getImportToListStatus", status), "<status>COMPLETE</status>", "<rowsImported>1</rowsImported><rowsFailed>2</rowsFailed><rowsIgnored>0</rowsIgnored>")
	b.want(b.soap("getMultipleLeads", "<leadSelector><staticListName>Imported</staticListName></leadSelector>"), "imp@example.com", "Den Haag, NL")
	b.want(b.soap("importToList", importCall("LISTONLY", "<stringItem>joe@marketo.com,,</stringItem><stringItem>unknown@example.com,,</stringItem>")+
		"<listName>Imported</listName><clearList>true</clearList>"))
	b.clock.advance(time.Minute)
	b.want(b.soap("getImportToListStatus", status), "<rowsImported>1</rowsImported>", "<rowsIgnored>1</rowsIgnored>")
	b.want(b.soap("getMultipleLeads", "<leadSelector><staticListName>Imported</staticListName></leadSelector>"), "<returnCount>1</returnCount>", "joe@marketo.com")
	b.want(b.soap("importToList", importCall("UPSERTLEADS", rows)+end, FailHeader+": partial=CANCELED"), "<importStatus>CANCELED</importStatus>")
	b.want(b.soap("getImportToListStatus", status), "<status>CANCELED</status>")
	b.wantCount("soap", "importToList", "partial", 1)
}

func TestCampaigns(t *testing.T) {
	b := newBench(t)
	b.want(b.soap("getCampaignsForSource", "<source>MKTOWS</source><name>trigger</name><exactName>false</exactName>"), "<returnCount>2</returnCount>", "<id>4496</id>")
	b.want(b.soap("getCampaignsForSource", "<source>SALES</source><name>Trigger</name><exactName>true</exactName>"), "<returnCount>0</returnCount>", `<campaignRecordList xsi:nil="true"/>`)
	b.want(b.soap("requestCampaign", "<source>MKTOWS</source><programName>Default</programName><campaignName>Sales Follow-up</campaignName><leadList>"+joe+"</leadList>"), "<success>true</success>")
	b.want(b.soap("getLeadActivity", joe+"<activityFilter><includeTypes><activityType>RequestCampaign</activityType></includeTypes></activityFilter>"),
		"<campaign>Sales Follow-up</campaign>")
	b.want(b.soap("scheduleCampaign", "<programName>Default</programName><campaignName>Monthly Newsletter</campaignName><campaignRunAt>2026-12-01T00:00:00Z</campaignRunAt>"), "<success>true</success>")
}

func TestCustomObjects(t *testing.T) {
	b := newBench(t)
	object := func(rid string, pairs ...string) string {
		return "<customObj><customObjKeyList>" + attributes("MKTOID", "2", "rid", rid) + "</customObjKeyList><customObjAttributeList>" + attributes(pairs...) + "</customObjAttributeList></customObj>"
	}
	sync := func(mode string, objects ...string) answered {
		return b.soap("syncCustomObjects", "<objTypeName>RoadShow</objTypeName><customObjList>"+strings.Join(objects, "")+"</customObjList><operation>"+mode+"</operation>")
	}
	b.want(sync("INSERT", object("1", "city", "Lier"), object("1", "city", "Lier"), object("2", "nameasdf", "x")),
		"<status>CREATED</status>", "<status>FAILED</status><error>Object already exists</error>", "<status>FAILED</status><error>Unknown name attribute list: nameasdf</error>")
	b.want(sync("UPDATE", object("1", "zip", "2500"), object("9")), "<status>UPDATED</status>", "<error>Object not found</error>")
	b.want(sync("UPSERT", strings.Replace(object("3"), ">2<", ">1<", 1)), "<error>No lead found with MKTOID = 1</error>")
	b.want(sync("UPSERT", "<customObj><customObjKeyList>"+attributes("MKTOID", "2")+"</customObjKeyList></customObj>"), "<error>Key attributes are: MKTOID, rid</error>")
	b.want(b.soap("getCustomObjects", "<objTypeName>Roadshow</objTypeName><customObjKeyList>"+attributes("MKTOID", "2")+"</customObjKeyList>"),
		"<returnCount>1</returnCount>", "Lier", "2500")
	b.want(b.soap("deleteCustomObjects", "<objTypeName>Roadshow</objTypeName><customObjKeyLists><keyList>"+attributes("MKTOID", "2", "rid", "1")+"</keyList><keyList>"+attributes("rid", "77")+"</keyList></customObjKeyLists>"),
		"<deleteCustomObjStatusList>", `<status>DELETED</status><error xsi:nil="true"/>`, "<status>FAILED</status><error>Object not found</error>")
	b.wantCount("soap", "syncCustomObjects", "partial", 4)
}

func TestMObjects(t *testing.T) {
	b := newBench(t)
	object := func(inside string) string {
		return "<mObject><type>Opportunity</type>" + inside + "</mObject>"
	}
	named := func(name string) string {
		return "<attribList><attrib><name>Name</name><value>" + name + "</value></attrib></attribList>"
	}
	sync := func(mode string, objects ...string) answered {
		return b.soap("syncMObjects", "<mObjectList>"+strings.Join(objects, "")+"</mObjectList><operation>"+mode+"</operation>")
	}
	external := "<externalKey><name>k</name><value>1</value></externalKey>"
	b.want(sync("UPSERT", object(external+named("One"))), "<mObjStatus><id>2001</id><externalKey><name>k</name><value>1</value></externalKey><status>CREATED</status></mObjStatus>")
	b.want(sync("UPSERT", object(external+named("Two"))), "<id>2001</id>", "<status>UPDATED</status>")
	b.want(sync("UPSERT", object(external+named("Two"))), "<status>UNCHANGED</status></mObjStatus>")
	b.wantCount("soap", "syncMObjects", "ok", 3)
	b.want(sync("INSERT", object("<id>4</id>")), "<status>SKIPPED</status><error>Object already exists</error>")
	b.want(sync("UPDATE", object("<id>99</id>")), "<id>99</id><status>FAILED</status><error>Object not found</error>")
	b.want(sync("INSERT", "<mObject><type>Program</type></mObject>"), "<status>FAILED</status>")
	b.wantCount("soap", "syncMObjects", "partial", 3)
	b.want(b.soap("getMObjects", "<type>Opportunity</type><externalKey><name>k</name><value>1</value></externalKey>"), "<returnCount>1</returnCount>", "<value>Two</value>")
	b.want(b.soap("getMObjects", "<type>Opportunity</type><mObjAssociationList><mObjAssociation><mObjType>Company</mObjType><id>1</id></mObjAssociation></mObjAssociationList>"), "<returnCount>2</returnCount>")
	for comparison, want := range map[string]int{"EQ": 1, "NE": 2, "LT": 1, "LE": 2, "GT": 1, "GE": 2} {
		b.want(b.soap("getMObjects", "<type>Program</type><mObjCriteriaList><mObjCriteria><attrName>Id</attrName><comparison>"+comparison+
			"</comparison><attrValue>1002</attrValue></mObjCriteria></mObjCriteriaList>"), fmt.Sprintf("<returnCount>%d</returnCount>", want))
	}
	b.want(b.soap("deleteMObjects", "<mObjectList>"+object("<id>4</id>")+object("<id>4</id>")+"</mObjectList>"), "<id>4</id><status>DELETED</status></mObjStatus>", "<status>FAILED</status>")
}

func TestDescriptions(t *testing.T) {
	b := newBench(t)
	b.want(b.soap("listMObjects", ""), "<objects>ActivityRecord</objects><objects>LeadRecord</objects><objects>Opportunity</objects>")
	b.want(b.soap("describeMObject", "<objectName>LeadRecord</objectName>"), "<name>LeadRecord</name>", "<name>FirstName</name>", "<dataType>integer</dataType>")
	b.want(b.soap("getTags", "<tagList><tag><type>Regions</type><values><stringItem>East</stringItem></values></tag></tagList>"),
		"<tag><type>Regions</type><values><stringItem>East</stringItem></values></tag>")
	b.want(b.soap("getTags", ""), "<type>Products</type>")
	b.want(b.soap("getChannels", "<tag><values><stringItem>Blog</stringItem></values></tag>"), "<tagValue>Blog</tagValue><statusList><progressionStatusItem><progressionStatus><attrib><name>Status</name>")
	b.want(b.soap("getChannels", ""), "<tagValue>Webinar</tagValue>")
}

// TestPartial forces a failed record on every write.
func TestPartial(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct{ operation, inside, want string }{
		{"syncLead", record("<Email>p@example.com</Email>"), "<status>FAILED</status><error>"},
		{"syncMultipleLeads", "<leadRecordList>" + record("<Email>p@example.com</Email>") + record("<Email>q@example.com</Email>") + "</leadRecordList>", "<status>FAILED</status>.*<status>CREATED</status>"},
		{"mergeLeads", "<winningLeadKeyList>" + attributes("IDNUM", "2") + "</winningLeadKeyList><losingLeadKeyLists><keyList>" + attributes("IDNUM", "15") + "</keyList></losingLeadKeyLists>", "<status>FAILED</status><error>"},
		{"listOperation", listCall("ADDTOLIST", key("IDNUM", "15")+key("IDNUM", "16")), "<success>false</success>.*<status>false</status>.*<status>true</status>"},
		{"importToList", importCall("LISTONLY", "") + "<listName>L</listName>", "<importStatus>FAILED</importStatus>"},
		{"requestCampaign", "<source>MKTOWS</source><campaignId>4496</campaignId><leadList>" + joe + "</leadList>", "<success>false</success>"},
		{"scheduleCampaign", "<programName>Default</programName><campaignName>Monthly Newsletter</campaignName>", "<success>false</success>"},
		{"syncCustomObjects", "<objTypeName>Roadshow</objTypeName><customObjList><customObj><customObjKeyList>" + attributes("MKTOID", "2", "rid", "1") + "</customObjKeyList></customObj></customObjList>", "<status>FAILED</status><error>"},
		{"deleteCustomObjects", "<objTypeName>Roadshow</objTypeName><customObjKeyLists><keyList>" + attributes("rid", "rid0") + "</keyList></customObjKeyLists>", "<status>FAILED</status><error>"},
		{"syncMObjects", "<mObjectList><mObject><type>Opportunity</type><id>4</id></mObject></mObjectList><operation>UPDATE</operation>", "<status>FAILED</status><error>"},
		{"deleteMObjects", "<mObjectList><mObject><type>Opportunity</type><id>4</id></mObject></mObjectList>", "<status>FAILED</status><error>"},
	} {
		a := b.soap(test.operation, test.inside, FailHeader+": partial")
		if !regexp.MustCompile(test.want).MatchString(b.want(a)) {
			t.Errorf("%s:\n%s", test.operation, a.body)
		}
		b.wantCount("soap", test.operation, "partial", 1)
	}
	b.want(b.soap("listOperation", listCall("ISMEMBEROFLIST", key("IDNUM", "2")), FailHeader+": partial"), "<success>true</success>")
	b.want(b.soap("syncMObjects", "<mObjectList><mObject><type>Opportunity</type><id>4</id></mObject></mObjectList><operation>UPDATE</operation>", FailHeader+": partial=SKIPPED"), "<status>SKIPPED</status>")
}
