// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// ConflictError says that an object of a wanted name is not ours.
type ConflictError struct {
	Object plan.Ref
	// Owner is the CSIDriverDeployment that the object belongs to; empty if
	// it belongs to none.
	Owner string
}

// Error names the object and what to do about it.
func (e *ConflictError) Error() string {
	owner := "does not belong to this " + v1alpha1.Kind
	if e.Owner != "" {
		owner = fmt.Sprintf("belongs to %s %q", v1alpha1.Kind, e.Owner)
	}
	return fmt.Sprintf("%s exists and %s; delete it or choose another name; nothing is applied until then", e.Object, owner)
}

// BlockedError says that an object cannot be applied now.
type BlockedError struct {
	Object plan.Ref
	// Reason is what stands in the way.
	Reason string
	// Passing is true where that goes without anybody's doing.
	Passing bool
}

// Error names the object and what it waits for.
func (e *BlockedError) Error() string { return fmt.Sprintf("%s: %s", e.Object, e.Reason) }

// NamespaceError says that the namespace of the pods cannot take objects.
type NamespaceError struct {
	Name string
	// Terminating is true while the namespace is being deleted.
	Terminating bool
}

// Error names the namespace and the command that makes it.
func (e *NamespaceError) Error() string {
	if e.Terminating {
		return fmt.Sprintf("namespace %q is being deleted; create it anew once it is gone", e.Name)
	}
	return fmt.Sprintf("namespace %q does not exist; run: kubectl create ns %[1]s; kubectl label ns %[1]s pod-security.kubernetes.io/enforce=privileged", e.Name)
}

// DeniedError says that the operator lacks a right.
type DeniedError struct {
	Object plan.Ref
	// Missing is the rule that the operator does not hold itself and may
	// therefore not grant; empty if it may not write the object at all.
	Missing string
	// Reason is what the API server said.
	Reason string
}

// Error names the object and the missing rule.
func (e *DeniedError) Error() string {
	if e.Missing == "" {
		return fmt.Sprintf("%s: %s", e.Object, e.Reason)
	}
	return fmt.Sprintf("%s: the operator's account may not grant %s; give it this rule by one more ClusterRoleBinding", e.Object, e.Missing)
}

// RefusedError says that the API server does not take an object as it is.
type RefusedError struct {
	Object plan.Ref
	// Reason is what the API server said, with the fields that it named.
	Reason string
	// fields are those that the API server named.
	fields []string
}

// Error names the object and the server's reason.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Object, e.Reason)
	if desired.IsClass(e.Object.Kind) && strings.Contains(e.Reason, "immutable") {
		text += "; undo the change, or delete the class to have it made anew"
	}
	return text
}

// ContestedError says that others change an object whenever it has been healed.
type ContestedError struct {
	Object plan.Ref
	// Manager is who changed it last.
	Manager string
}

// Error names the object, who changes it, and what to do about it.
func (e *ContestedError) Error() string {
	return fmt.Sprintf("%s: %q changes it again and again, and it is put right less often now; let only one of the two write these fields", e.Object, e.Manager)
}

// Explain turns what the API server answered to a write of the object into
// one of the errors above where it tells something that lasts.
func Explain(object plan.Ref, err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return fmt.Errorf("applying %s: %w", object, err)
	}
	s := status.Status()
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return &NamespaceError{Name: object.Namespace, Terminating: true}
	case apierrors.IsNotFound(err) && s.Details != nil && s.Details.Kind == "namespaces":
		return &NamespaceError{Name: object.Namespace}
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return &ConflictError{Object: object}
	case isAnotherObject(err):
		return fmt.Errorf("applying %s: %w", object, apierrors.NewConflict(schema.GroupResource{Resource: object.Kind}, object.Name, err))
	case apierrors.IsForbidden(err):
		return forbidden(object, s.Message)
	case s.Code == http.StatusUnprocessableEntity || s.Code == http.StatusBadRequest:
		return &RefusedError{Object: object, Reason: reasons(s), fields: namedFields(s)}
	default:
		return fmt.Errorf("applying %s: %w", object, err)
	}
}

// isAnotherObject is true for the answer to what was sent to an object of a certain uid,
// where that object is gone, which is a conflict, or another one is in its place: there
// the API server takes the uid for a change.
func isAnotherObject(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	s := status.Status()
	return apierrors.IsConflict(err) || apierrors.IsInvalid(err) && slices.Contains(namedFields(s), "metadata.uid")
}

// forbidden tells a right that the operator lacks from an object that some
// admission refused: both are 403.
func forbidden(object plan.Ref, message string) error {
	if _, rules, found := strings.Cut(message, "RBAC permissions not currently held:"); found {
		return &DeniedError{Object: object, Missing: strings.TrimSpace(rules), Reason: message}
	}
	if strings.Contains(message, " cannot ") && strings.Contains(message, "User ") {
		return &DeniedError{Object: object, Reason: message}
	}
	return &RefusedError{Object: object, Reason: message}
}

// reasons lists the fields that a status names; its message if it names none.
func reasons(s metav1.Status) string {
	if s.Details == nil || len(s.Details.Causes) == 0 {
		return s.Message
	}
	var fields []string
	for _, c := range s.Details.Causes {
		text := c.Message
		if c.Field != "" {
			text = c.Field + ": " + text
		}
		fields = append(fields, text)
	}
	return strings.Join(fields, "; ")
}

// namedFields are the fields that a status names.
func namedFields(s metav1.Status) []string {
	if s.Details == nil {
		return nil
	}
	var fields []string
	for _, c := range s.Details.Causes {
		if c.Field != "" {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// worst joins the errors of the gravest sort: those that may pass if tried
// again, else conflicts and namespaces, else lacking rights, else refusals, else
// contests, else what waits for somebody, else what only has to wait.
func worst(errs []error) error {
	var sorted [7][]error
	for _, err := range errs {
		n := sortOf(err)
		sorted[n] = append(sorted[n], err)
	}
	for _, s := range sorted {
		if len(s) > 0 {
			return errors.Join(s...)
		}
	}
	return nil
}

func sortOf(err error) int {
	var (
		conflict  *ConflictError
		namespace *NamespaceError
		denied    *DeniedError
		refused   *RefusedError
		contested *ContestedError
		blocked   *BlockedError
	)
	switch {
	case errors.As(err, &conflict), errors.As(err, &namespace):
		return 1
	case errors.As(err, &denied):
		return 2
	case errors.As(err, &refused):
		return 3
	case errors.As(err, &contested):
		return 4
	case errors.As(err, &blocked) && !blocked.Passing:
		return 5
	case errors.As(err, &blocked):
		return 6
	default:
		return 0
	}
}
