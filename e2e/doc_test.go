// Package e2e tests the built program as a user meets it: real processes, real connections, real files, real toolkits.
//
// The tests know the program only by its contract: commands, flags, headers, captures and metrics. In between stands a spy (see
// spy_test.go), which notes what Marketo's side saw and sent, so that bytes can be compared on both sides. Linux only, since
// they look into /proc and mount disks.
package e2e
