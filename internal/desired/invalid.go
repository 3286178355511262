// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import "fmt"

// InvalidError says which field of a CSIDriverDeployment cannot be rendered,
// why, and what to write instead. It is the message of SpecValid=False.
type InvalidError struct {
	// Field is the whole path, e.g. spec.controller.pod.tolerations[0].foo.
	Field string
	// Message reads after the field and a colon.
	Message string
}

// Error is the field and the message.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Message: fmt.Sprintf(format, args...)}
}
