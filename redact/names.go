package redact

import "slices"

// secret is one name whose value is a secret.
type secret struct {
	name string // as Counts gives it
	key  string // lower case, without hyphens and underscores: as it is compared
	line bool   // in text the value goes on to the end of the line, spaces and all: it is a header's
	part bool   // may be the last part of a longer name, as in MARKETO_CLIENT_SECRET
}

// secrets are the names, by contract and by sense.
var secrets = [...]secret{
	{name: "requestSignature", key: "requestsignature", part: true},
	{name: "Authorization", key: "authorization", line: true, part: true},
	{name: "Proxy-Authorization", key: "proxyauthorization", line: true, part: true},
	{name: "Cookie", key: "cookie", line: true}, // no part: marketo_cookie is a lead's, not a session's
	{name: "Set-Cookie", key: "setcookie", line: true},
	{name: "access_token", key: "accesstoken", part: true},
	{name: "client_secret", key: "clientsecret", part: true},
	{name: "refresh_token", key: "refreshtoken", part: true},
	{name: "id_token", key: "idtoken", part: true},
	{name: "X-Mkto-User-Token", key: "xmktousertoken", part: true}, // Data Ingestion API
}

const (
	shortestKey = len("cookie")
	longestName = len("Proxy-Authorization")
)

// keyStart and keyEnd have the bytes that a name can begin and end with.
var (
	keyStart = bytesOf(func(c byte) bool {
		return c == '-' || c == '_' || slices.ContainsFunc(secrets[:], func(s secret) bool { return s.key[0] == lower(c) })
	})
	keyEnd = bytesOf(func(c byte) bool {
		return c == '-' || c == '_' || slices.ContainsFunc(secrets[:], func(s secret) bool { return s.key[len(s.key)-1] == lower(c) })
	})
)

// lookup returns the index in secrets of a name, or -1. Case, hyphens and underscores do not matter, so that a toolkit's
// accessToken is found too.
func lookup(name []byte) int {
	if len(name) < shortestKey || len(name) > longestName || !keyStart[name[0]] || !keyEnd[name[len(name)-1]] {
		return -1
	}
	var buf [longestName]byte
	key := buf[:0]
	for _, c := range name {
		if c != '-' && c != '_' {
			key = append(key, lower(c))
		}
	}
	for i := range secrets {
		if secrets[i].key == string(key) {
			return i
		}
	}
	return -1
}

// lookupPart is lookup for the names of form fields and parameters, where auth[access_token] and auth.access_token are
// secrets too.
func lookupPart(name []byte) int {
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '[' && name[i] != ']' && name[i] != '.' {
			continue
		}
		if id := lookup(name[start:i]); id >= 0 {
			return id
		}
		start = i + 1
	}
	return -1
}

// lookupField is lookup for the names of header fields, where gateways put something in front: X-Forwarded-Access-Token.
func lookupField(name []byte) int {
	id := lookup(name)
	for i := 0; i < len(name) && id < 0; i++ {
		if name[i] == '-' || name[i] == '_' {
			if id = lookup(name[i+1:]); id >= 0 && !secrets[id].part {
				id = -1
			}
		}
	}
	return id
}

// names finds the secrets' names in text, in the spellings that occur: access_token, access-token, accessToken.
var names = newNeedles(spellings())

func spellings() []needle {
	var list []needle
	for id, s := range secrets {
		list = append(list, needle{text: s.key, id: id})
	}
	for id, written := range map[int][]string{
		2: {"proxy-authorization", "proxy_authorization"},
		4: {"set-cookie", "set_cookie"},
		5: {"access_token", "access-token"},
		6: {"client_secret", "client-secret"},
		7: {"refresh_token", "refresh-token"},
		8: {"id_token", "id-token"},
		9: {"x-mkto-user-token", "x_mkto_user_token"},
	} {
		for _, text := range written {
			list = append(list, needle{text: text, id: id})
		}
	}
	return list
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func lowerString(s string) string {
	for i := range len(s) {
		if lower(s[i]) != s[i] {
			b := []byte(s)
			for i, c := range b {
				b[i] = lower(c)
			}
			return string(b)
		}
	}
	return s
}

func isLetter(c byte) bool { c |= 0x20; return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// unhex is the value of a hexadecimal digit, or negative.
func unhex(c byte) int {
	switch c = lower(c); {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
