//go:build linux

// Package crash breaks the disk under the built program, and the program on the disk: full, read-only, slow, failing and vanishing
// disks, kill -9 in the middle of a storm, power cuts.
//
// The causes are real. A disk is an ext4 file system on a loop device whose backing file is served by this process through the
// kernel's FUSE protocol (disk_test.go), so that each write and each flush of the block device can be delayed, held, refused or
// lost. Device mapper would do the same, but is missing in many kernels that run tests, and keeps no record of what a power cut
// may lose. The tests mount, so they run as root, in a mount namespace of their own.
package crash
