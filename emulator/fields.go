package emulator

import "strings"

// field is an attribute of a lead, under its three names.
type field struct {
	soap, rest, display string
	kind                string // as attrType of SOAP and dataType of REST
	length              int    // 0 if it has none
	readOnly            bool
}

// leadFields are what a lead of this instance can have besides Id, Email and the key of a foreign system.
var leadFields = []field{
	{"Address", "address", "Address", "text", 2000, false},
	{"AnnualRevenue", "annualRevenue", "Annual Revenue", "currency", 0, false},
	{"AnonymousIP", "anonymousIP", "Anonymous IP", "string", 255, true},
	{"City", "city", "City", "string", 255, false},
	{"Company", "company", "Company Name", "string", 255, false},
	{"Country", "country", "Country", "string", 255, false},
	{"DateofBirth", "dateOfBirth", "Date of Birth", "date", 0, false},
	{"Department", "department", "Department", "string", 255, false},
	{"DoNotCall", "doNotCall", "Do Not Call", "boolean", 0, false},
	{"Fax", "fax", "Fax Number", "phone", 255, false},
	{"FirstName", "firstName", "First Name", "string", 255, false},
	{"Industry", "industry", "Industry", "string", 255, false},
	{"InferredCompany", "inferredCompany", "Inferred Company", "string", 255, true},
	{"InferredCountry", "inferredCountry", "Inferred Country", "string", 255, true},
	{"LastName", "lastName", "Last Name", "string", 255, false},
	{"LeadScore", "leadScore", "Lead Score", "integer", 0, false},
	{"LeadSource", "leadSource", "Lead Source", "string", 255, false},
	{"LeadStatus", "leadStatus", "Lead Status", "string", 255, false},
	{"MarketoCookie", "cookies", "Marketo Cookie", "string", 255, true},
	{"MiddleName", "middleName", "Middle Name", "string", 255, false},
	{"MobilePhone", "mobilePhone", "Mobile Phone Number", "phone", 255, false},
	{"NumberOfEmployees", "numberOfEmployees", "Num Employees", "integer", 0, false},
	{"Phone", "phone", "Phone Number", "phone", 255, false},
	{"PostalCode", "postalCode", "Postal Code", "string", 255, false},
	{"Salutation", "salutation", "Salutation", "string", 255, false},
	{"State", "state", "State", "string", 255, false},
	{"Title", "title", "Job Title", "string", 255, false},
	{"Unsubscribed", "unsubscribed", "Unsubscribed", "boolean", 0, false},
	{"Website", "website", "Website", "url", 255, false},
}

// fieldIndex finds a field by any of its names in lower case.
var fieldIndex = func() map[string]*field {
	index := make(map[string]*field, 3*len(leadFields))
	for i := range leadFields {
		f := &leadFields[i]
		for _, name := range [...]string{f.soap, f.rest, f.display} {
			index[strings.ToLower(name)] = f
		}
	}
	return index
}()

// fieldNamed finds a field by any of its names, whatever the case. It is nil if there is none.
func fieldNamed(name string) *field { return fieldIndex[strings.ToLower(name)] }
