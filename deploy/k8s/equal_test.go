package k8s

import (
	"reflect"
	"slices"
	"testing"
)

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
