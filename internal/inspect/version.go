// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

// Version is the version of csi-inspector and the tag of its image. It is not that
// of the operator: an operator release must not restart the controllers of drivers.
// A change of what goes into the binary needs a new one.
const Version = "v0.1.0"
