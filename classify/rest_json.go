package classify

import (
	"strings"

	"marketo-proxy/jsonscan"
)

// maxLevels is how deep objects and arrays are followed: result, item, reasons, reason, and one to spare.
const maxLevels = 6

// level is an open object or array.
type level struct {
	array bool
	index int // of the present element, for an array
	next  int
	key   jsonKey // of the present member, for an object
}

// jsonKey is the name of a member that means something.
type jsonKey uint8

const (
	otherKey jsonKey = iota
	keySuccess
	keyErrors
	keyResult
	keyRequestID
	keyCode
	keyMessage
	keyStatus
	keyReasons
	keyError
	keyErrorDescription
	keyErrorCode
	keyErrorMessage
)

func keyOf(name []byte) jsonKey {
	switch string(name) {
	case "success":
		return keySuccess
	case "errors":
		return keyErrors
	case "result":
		return keyResult
	case "requestId":
		return keyRequestID
	case "code":
		return keyCode
	case "message":
		return keyMessage
	case "status":
		return keyStatus
	case "reasons":
		return keyReasons
	case "error":
		return keyError
	case "error_description":
		return keyErrorDescription
	case "error_code":
		return keyErrorCode
	case "errorMsg":
		return keyErrorMessage
	}
	return otherKey
}

// codeOf reads a code, which is a string or a number.
func codeOf(t *jsonscan.Token) string {
	s := string(t.Raw)
	if t.Kind == jsonscan.String {
		s = strings.TrimSpace(string(t.Data))
	}
	if !t.Whole() || !isNumber(s) {
		return ""
	}
	return s
}

// readString takes the value of a string that may come in pieces.
func readString(s *string, t *jsonscan.Token) {
	if !t.Cont {
		*s = ""
	}
	appendString(s, t)
}

// appendString adds as much of a string or piece as can matter for the first maxMessage bytes. It cuts nothing off at
// those, since a piece that follows would be taken for what comes next.
func appendString(s *string, t *jsonscan.Token) {
	const longestEscape = 6
	if t.Kind == jsonscan.String && len(*s) < 2*maxMessage {
		*s += string(jsonscan.Unquote(nil, t.Data[:min(len(t.Data), longestEscape*maxMessage)]))
	}
}
