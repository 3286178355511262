// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// SystemDirectories are directories of a node that hold other things than a
// pool; something below them may be one. The schema has the same list.
func SystemDirectories() []string {
	return []string{"/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib"}
}

// SystemTrees are directories of a node in which no pool may lie, however deep:
// the system, the kubelet and the container runtimes write there and clean up
// there, and the pods of the driver have mounts of their own at /csi and /dev.
// The schema has the same list.
func SystemTrees() []string {
	return []string{
		"/bin", "/boot", "/csi", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
		"/var/cache", "/var/lib/containerd", "/var/lib/docker", "/var/lib/etcd", "/var/lib/kubelet",
		"/var/log", "/var/run", "/var/spool", "/var/tmp",
	}
}
