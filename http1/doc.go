// Package http1 reads what HTTP/1.1 messages are made of, for both sides of the proxy: a buffer over a connection, the fields of a
// head, and bodies in chunks.
package http1
