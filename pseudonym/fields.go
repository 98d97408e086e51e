package pseudonym

import (
	"bytes"
	"strings"
	"sync"
)

// form is what the value of a field must look like to stay. The zero form lets nothing stay.
type form uint8

const (
	masked     form = iota
	identifier      // of Marketo's own: a number, a GUID, a request's e42b#14272d07d78
	moment          // a day, with or without a time
	number          // a count, a size or a limit
	word            // of a fixed set, as a status or a type: short, without signs
	fieldNames      // names of fields or types of objects, also several with commas
	asset           // the name of a list, program, campaign or workspace
	opaque          // a token that only Marketo can read; whatever it is
	message         // free text in which Marketo's own words stay
	csvRows         // lines of CSV
	csvHeader       // the first line of it
)

// fields are the fields that may stay, by name in lower case without signs, of SOAP (WSDL, Adobe's pages) and REST (Adobe's
// reference). All other fields are masked.
var fields = fieldsOf(map[form]string{
	identifier: `id leadid mktpersonid marketoguid listid staticlistid campaignid programid activitytypeid
		primaryattributevalueid batchid exportid importid assetid folderid workspaceid partitionid webpageid
		mailingid formid linkid campaignrunid stepid winningleadid losingleadid leadids winninglead losingleads
		associatedobjectid requestid parentid smartcampaignid smartlistid templateid segmentid ids offset
		programmemberid activitytypeids rowid listids idnum dedupeid xrequestid`,
	moment: `createdat updatedat lastupdatedat activitydate activitydatetime activitycreatedat oldestcreatedat
		latestcreatedat oldestupdatedat latestupdatedat startat endat startdate enddate startedat finishedat
		queuedat completedat canceledat requesttimestamp sincedatetime campaignrunat startedtime endedtime timestamp
		date runat time starttime endtime scheduledat`,
	number: `batchsize count returncount remainingcount size filesize numberofrecords total errorcount rowsimported
		rowsfailed rowsignored estimatedrows maxreturn expiresin seq index length limit numofleadsprocessed
		numofrowsfailed numofrowswithwarning numofobjectsprocessed numrows precision choicenumber stepnumber version
		apiversion priority estimatedtime`,
	word: `code errorcode status importstatus success operation listoperation action format keytype attrtype datatype
		type comparison dedupeby activitytype tokentype faultcode mode importlistmode objtypename sourceobject
		objecttype mobjtype objectname foreignsystype source filetype columnheader hasmore moreresult strict
		dedupenabled returnlead clearlist skipactivitylog isprimarykey isreadonly isupdateblocked isdynamic
		isvirtual iscustom iscreated asyncprocessing granttype method partitioncode frequency membership
		progressionstatus tagstatus reachedsuccess acquiredby leadownertype includedetails updateable searchable
		nullable`,
	fieldNames: `attrname includeattributes filtertype fields fieldname lookupfield dedupefields primarykey idfield
		dynamicfieldref keyname filterfield exactname activitynamefilter activitytypes includetypes excludetypes
		objects columns missingfields searchablefields`,
	asset: `listname campaignname programname mktgassetname targetworkspace workspace workspacename smartlistname campaign
		partitionname leadpartition clonetoprogramname staticlistname channel assetname`,
	opaque: `streamposition newstreamposition nextpagetoken pagetoken mktowsuserid clientid munchkinid filechecksum
		partnerid`,
	message: `message faultstring error errors errormessage errordescription importsummary reason reasons detail details
		warning warnings faultactor exception`,
	csvRows:   `importfilerows`,
	csvHeader: `importfileheader`,
})

// fieldsOf is as setOf.
func fieldsOf(forms map[form]string) func() map[string]field {
	return sync.OnceValue(func() map[string]field {
		set := make(map[string]field)
		for f, names := range forms {
			for _, name := range strings.Fields(names) {
				set[name] = field{name: name, form: f}
			}
		}
		return set
	})
}

// field is what is known of a field by its name.
type field struct {
	name string // in lower case, without signs
	form form
	kind string // what its values count as; empty if it is known
}

// maxFieldName is the length of a field's name up to which it can be known.
const maxFieldName = 64

// lookup reads the name of a field as written: createdAt, created_at, Created At and marketo:createdAt are one.
func lookup(name []byte) field {
	var buf [maxFieldName]byte
	n := 0
	name = name[bytes.LastIndexByte(name, ':')+1:]
	for _, c := range name {
		switch {
		case n == len(buf):
			return field{kind: Attribute}
		case 'A' <= c && c <= 'Z':
			buf[n] = c | 0x20
			n++
		case isLetter(c), isDigit(c), c >= 0x80:
			buf[n] = c
			n++
		}
	}
	if f, ok := fields()[string(buf[:n])]; ok {
		return f
	}
	s := string(buf[:n])
	return field{name: s, kind: kindOf(s)}
}

// kinds are the parts of a field's name that say what it holds, the first one that occurs counts.
var kinds = [...]struct{ part, kind string }{
	{"cookie", Cookie}, {"mkttrk", Cookie}, {"email", Email}, {"phone", Phone}, {"mobile", Phone}, {"fax", Phone},
	{"firstname", Name}, {"lastname", Name}, {"middlename", Name}, {"fullname", Name}, {"personname", Name}, {"displayname", Name},
	{"salutation", Name}, {"nickname", Name}, {"surname", Name}, {"street", Address}, {"address", Address}, {"city", Address},
	{"postal", Address}, {"zip", Address}, {"country", Address}, {"state", Address}, {"birth", Date},
}

func kindOf(name string) string {
	for _, k := range kinds {
		if strings.Contains(name, k.part) {
			return k.kind
		}
	}
	if name == "name" {
		return Name
	}
	return Attribute
}

// value appends what a field's value, escapes undone, becomes; same tells that it stays as it is, and then nothing was appended.
func (m *Masker) value(dst []byte, f field, v []byte) (out []byte, same bool) {
	v2 := bytes.TrimSpace(v)
	switch {
	case len(v2) == 0, f.form.allows(v2):
		return dst, true
	case f.form == message:
		return m.text(dst, v), false
	case f.form == csvRows, f.form == csvHeader:
		return m.rows(dst, v, f.form == csvHeader), false
	}
	kind := f.kind
	if kind == "" {
		kind = Attribute
	}
	return m.mask(dst, v, kind), false
}

// allows tells that v, without white space around it, may stay in a field of this form.
func (f form) allows(v []byte) bool {
	switch f {
	case identifier:
		return list(v, isIdentifier)
	case moment:
		layout, _ := bareDate(v, false)
		return layout != "" || isTime(v)
	case number:
		return len(v) <= 20 && all(v, func(c byte) bool { return isDigit(c) || c == '-' || c == '.' })
	case word:
		return len(v) <= 64 && all(v, func(c byte) bool {
			return isLetter(c) || isDigit(c) || c == ' ' || c == '_' || c == '-' || c == '.' || c == ':' || c == '/'
		})
	case fieldNames:
		return len(v) <= 4<<10 && all(v, func(c byte) bool { return c >= ' ' && c != '@' && c != '<' && c != '"' })
	case asset:
		return len(v) <= 255 && !isPhone(v) && !bytes.ContainsAny(v, "@<>{}\"\r\n\t\x00")
	case opaque:
		return true
	}
	return false
}

// list tells that all of the values with commas between them are something.
func list(v []byte, is func([]byte) bool) bool {
	for part := range bytes.SplitSeq(v, []byte(",")) {
		if !is(bytes.TrimSpace(part)) {
			return false
		}
	}
	return true
}

// isIdentifier tells a number, a GUID or part of one, or two of them with a #. A prefix as in ID:1024814 may stand before it.
func isIdentifier(v []byte) bool {
	v = bytes.TrimPrefix(v, []byte("ID:"))
	if len(v) == 0 || len(v) > 64 {
		return false
	}
	digits := false
	for _, c := range v {
		digits = digits || isDigit(c)
		if unhex(c) < 0 && c != '-' && c != '#' {
			return false
		}
	}
	return digits && !isPhone(v)
}

func all(v []byte, is func(byte) bool) bool {
	for _, c := range v {
		if !is(c) {
			return false
		}
	}
	return true
}

// namesOf has the fields whose name, display name and description are those of a field, an attribute or an exception, not of a
// person.
var namesOf = map[string]bool{
	"attribute": true, "attributes": true, "attrib": true, "field": true, "fields": true, "rest": true, "soap": true,
	"searchablefields": true, "relationships": true, "relatedto": true, "serviceexception": true, "tag": true,
	"campaignrecord": true, "metadata": true, "primaryattribute": true, "versioneditem": true, "mobjassociation": true,
}

// within is lookup in the context of the field around: a name may be that of a field.
func within(name []byte, around string) field {
	f := lookup(name)
	if (f.name == "name" || f.name == "displayname" || f.name == "description") && namesOf[around] {
		f.form = fieldNames
	}
	return f
}

// keyForm is the form of the value that belongs to a key of a lead or list, by the key's type as SOAP has it.
func keyForm(keyType []byte) form {
	switch string(bytes.ToUpper(bytes.TrimSpace(keyType))) {
	case "IDNUM":
		return identifier
	case "MKTOLISTNAME":
		return asset
	}
	return masked
}
