// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/csi-operator/csi-operator/hack/internal/debian"
)

// tool is a program of a Debian package.
type tool struct {
	name string
	// check are arguments with which it tells its version.
	check []string
}

// toolSet are programs and the packages that they and their libraries are in.
type toolSet struct {
	packages []string
	tools    []tool
	// settings are further files, by their path in the packages and the image.
	settings []string
}

// driverTools are what the bundled driver's node part runs.
func driverTools() toolSet {
	return toolSet{
		packages: []string{
			"e2fsprogs", "mount", "util-linux", "xfsprogs",
			"libblkid1", "libc6", "libcom-err2", "libext2fs2", "libinih1", "libmount1", "libpcre2-8-0",
			"libselinux1", "libss2", "liburcu8", "libuuid1",
		},
		tools: []tool{
			{"blkid", []string{"-V"}},
			{"e2fsck", []string{"-V"}},
			{"mkfs.ext4", []string{"-V"}},
			{"mkfs.xfs", []string{"-V"}},
			{"mount", []string{"-V"}},
			{"resize2fs", nil},
			{"tune2fs", nil},
			{"umount", []string{"-V"}},
			{"xfs_growfs", []string{"-V"}},
			{"xfs_repair", []string{"-V"}},
		},
		settings: []string{"/etc/mke2fs.conf"},
	}
}

func (s toolSet) names() []string {
	names := make([]string, len(s.tools))
	for i, t := range s.tools {
		names[i] = t.name
	}
	return names
}

// unpack downloads the packages into dir and copies what the image needs of
// them into dir/image, where each program is run once.
func (s toolSet) unpack(ctx context.Context, dir string) error {
	root, err := debian.Unpack(ctx, dir, s.packages...)
	if err != nil {
		return err
	}
	files, err := programs(root, s.names())
	if err != nil {
		return err
	}
	for _, path := range s.settings {
		files[path] = File{Copy: filepath.Join(root, path)}
	}
	target := filepath.Join(dir, imageFolder)
	for path, file := range files {
		if err := copyFile(file.Copy, filepath.Join(target, path)); err != nil {
			return fmt.Errorf("unpacking %q: %w", path, err)
		}
	}
	for _, t := range s.tools {
		if err := t.run(ctx, target); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(root), os.RemoveAll(filepath.Join(dir, "packages")))
}

// imageFolder holds an unpacked tool set as it is in the image.
const imageFolder = "image"

// version is how a program shows that it runs; one that lacks a library shows none.
var version = regexp.MustCompile(`v?\d+\.\d+`)

// run runs the tool with root as its root folder, as it will run in the image.
func (t tool) run(ctx context.Context, root string) error {
	path, err := collector{root: root}.find(t.name, "sbin", "bin", "usr/sbin", "usr/bin")
	if err != nil {
		return fmt.Errorf("looking for program %q: %w", t.name, err)
	}
	command := exec.CommandContext(ctx, path, t.check...)
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	command.Dir = "/"
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // some end with 1 after telling their version
		return fmt.Errorf("running %q of the image: %w", path, err)
	}
	if !version.Match(output) {
		return fmt.Errorf("running %q of the image: it tells no version but %q", path, output)
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}
