//go:build linux

package crash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel asks of a file system that is one file, from include/uapi/linux/fuse.h.
const (
	fuseForget    = 2
	fuseGetattr   = 3
	fuseSetattr   = 4
	fuseOpen      = 14
	fuseRead      = 15
	fuseWrite     = 16
	fuseRelease   = 18
	fuseFsync     = 20
	fuseInit      = 26
	fuseAccess    = 34
	fuseInterrupt = 36
	fuseDestroy   = 38
	fuseForgets   = 42

	fuseMaxWrite    = 128 << 10
	fuseBigWrites   = 1 << 5 // of the flags of FUSE_INIT
	fuseDirectIO    = 1 << 0 // of the flags of an opened file: nothing of it in the page cache
	fuseHeaderSize  = 40
	fuseWriteInSize = 40
)

// serveFile mounts a file system that is one file, the content of d, and returns its path. It ends with the test, or with the
// process.
func serveFile(t *testing.T, d *disk) (path string) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("the disks of these tests need FUSE: /dev/fuse: %v", err)
	}
	path = t.TempDir() + "/disk"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=100600,user_id=0,group_id=0", fd)
	if err := unix.Mount("disk", path, "fuse", unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		t.Fatalf("the disks of these tests need FUSE: mount: %v", err)
	}
	server := &fuseServer{fd: fd, disk: d, ended: make(chan struct{})}
	go server.run()
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", path, err)
		}
		<-server.ended
	})
	return path
}

type fuseServer struct {
	fd    int
	disk  *disk
	ended chan struct{} // closed when the kernel is done with it
}

// run reads requests and answers each in a goroutine of its own, since some are to hang.
func (f *fuseServer) run() {
	defer close(f.ended)
	var answering sync.WaitGroup
	defer unix.Close(f.fd)
	defer answering.Wait()
	for {
		buf := make([]byte, fuseMaxWrite+fuseHeaderSize+fuseWriteInSize+4096)
		n, err := unix.Read(f.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
			continue
		case err != nil || n < fuseHeaderSize: // ENODEV: unmounted
			return
		}
		answering.Go(func() { f.answer(buf[:n]) })
	}
}

func (f *fuseServer) answer(request []byte) {
	order := binary.LittleEndian
	opcode, unique, in := order.Uint32(request[4:]), request[8:16], request[fuseHeaderSize:]
	out, err := f.handle(opcode, in)
	if opcode == fuseForget || opcode == fuseForgets || opcode == fuseInterrupt {
		return // these get no answer
	}
	var errno unix.Errno
	if err != nil {
		out = nil
		if !errors.As(err, &errno) {
			errno = unix.EIO
		}
	}
	reply := order.AppendUint32(nil, uint32(16+len(out)))
	reply = order.AppendUint32(reply, uint32(-int32(errno)))
	reply = append(append(reply, unique...), out...)
	_, _ = unix.Write(f.fd, reply) // fails only when the kernel no longer wants to know
}

func (f *fuseServer) handle(opcode uint32, in []byte) ([]byte, error) {
	order := binary.LittleEndian
	switch opcode {
	case fuseInit:
		out := make([]byte, 64)
		order.PutUint32(out[0:], 7)
		order.PutUint32(out[4:], 31)
		order.PutUint32(out[8:], order.Uint32(in[8:])) // read ahead
		order.PutUint32(out[12:], fuseBigWrites)
		order.PutUint16(out[16:], 64) // requests in the background
		order.PutUint16(out[18:], 48)
		order.PutUint32(out[20:], fuseMaxWrite)
		return out, nil
	case fuseGetattr, fuseSetattr:
		out := make([]byte, 16+88)
		attr := out[16:]
		order.PutUint64(attr[0:], 1)
		order.PutUint64(attr[8:], uint64(f.disk.size()))
		order.PutUint64(attr[16:], uint64(f.disk.size()/512))
		order.PutUint32(attr[60:], unix.S_IFREG|0o600)
		order.PutUint32(attr[64:], 1)
		order.PutUint32(attr[80:], 4096)
		return out, nil
	case fuseOpen:
		out := make([]byte, 16)
		order.PutUint32(out[8:], fuseDirectIO)
		return out, nil
	case fuseRead:
		off, n := int64(order.Uint64(in[8:])), int64(order.Uint32(in[16:]))
		out := make([]byte, max(0, min(n, f.disk.size()-off)))
		return out, f.disk.read(out, off)
	case fuseWrite:
		off, n := int64(order.Uint64(in[8:])), order.Uint32(in[16:])
		out := make([]byte, 8)
		order.PutUint32(out, n)
		return out, f.disk.write(in[fuseWriteInSize:][:n], off)
	case fuseFsync:
		return nil, f.disk.flush()
	case fuseRelease, fuseAccess, fuseDestroy, fuseForget, fuseForgets, fuseInterrupt:
		return nil, nil
	}
	return nil, unix.ENOSYS // which the kernel takes for an answer, once for all
}
