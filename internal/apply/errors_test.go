// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/internal/plan"
)

// answer is what an API server sends with an error.
func answer(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) *apierrors.StatusError {
	s := metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}
	if len(causes) > 0 {
		s.Details = &metav1.StatusDetails{Causes: causes}
	}
	return &apierrors.StatusError{ErrStatus: s}
}

func TestExplain(t *testing.T) {
	class := plan.Ref{Kind: "StorageClass", Name: "fast"}
	role := plan.Ref{Kind: "ClusterRole", Name: "pool-12345-controller"}
	account := plan.Ref{Kind: "ServiceAccount", Namespace: "csi", Name: "pool-12345-node"}
	cases := map[string]struct {
		object plan.Ref
		err    error
		want   error // of which the type counts, and the text
		text   string
	}{
		"Escalation": {
			object: role,
			err: answer(http.StatusForbidden, metav1.StatusReasonForbidden,
				`clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "u" (groups=["g"]) is attempting to grant RBAC permissions not currently held:`+"\n"+`{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}`),
			want: &DeniedError{},
			text: `ClusterRole "pool-12345-controller": the operator's account may not grant {APIGroups:[""], Resources:["nodes"], Verbs:["get"]}; give it this rule by one more ClusterRoleBinding`,
		},
		"OwnRight": {
			object: class,
			err: answer(http.StatusForbidden, metav1.StatusReasonForbidden,
				`storageclasses.storage.k8s.io "fast" is forbidden: User "u" cannot patch resource "storageclasses" in API group "storage.k8s.io" at the cluster scope`),
			want: &DeniedError{},
			text: `StorageClass "fast": storageclasses.storage.k8s.io "fast" is forbidden: User "u" cannot patch resource "storageclasses" in API group "storage.k8s.io" at the cluster scope`,
		},
		"Admission": {
			object: account,
			err:    answer(http.StatusForbidden, metav1.StatusReasonForbidden, `serviceaccounts "x" is forbidden: exceeded quota`),
			want:   &RefusedError{},
			text:   `ServiceAccount "pool-12345-node" in namespace "csi": serviceaccounts "x" is forbidden: exceeded quota`,
		},
		"Immutable": {
			object: class,
			err: answer(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "StorageClass is invalid",
				metav1.StatusCause{Field: "parameters", Message: "Invalid value: null: field is immutable"}),
			want: &RefusedError{},
			text: `StorageClass "fast": parameters: Invalid value: null: field is immutable; undo the change, or delete the class to have it made anew`,
		},
		"BadRequestWithoutCauses": {
			object: role,
			err:    answer(http.StatusBadRequest, metav1.StatusReasonBadRequest, "webhook says no"),
			want:   &RefusedError{},
			text:   `ClusterRole "pool-12345-controller": webhook says no`,
		},
		"NamespaceGone": {
			object: account,
			err:    apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "csi"),
			want:   &NamespaceError{},
			text:   `namespace "csi" does not exist; run: kubectl create ns csi; kubectl label ns csi pod-security.kubernetes.io/enforce=privileged`,
		},
		"NamespaceTerminating": {
			object: account,
			err:    answer(http.StatusForbidden, metav1.StatusReasonForbidden, "being terminated", metav1.StatusCause{Type: corev1.NamespaceTerminatingCause}),
			want:   &NamespaceError{},
			text:   `namespace "csi" is being deleted; create it anew once it is gone`,
		},
		"ForeignFields": {
			object: class,
			err:    answer(http.StatusConflict, metav1.StatusReasonConflict, "conflict", metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict}),
			want:   &ConflictError{},
			text:   `StorageClass "fast" exists and does not belong to this CSIDriverDeployment; delete it or choose another name; nothing is applied until then`,
		},
		"Overload": {
			object: class,
			err:    answer(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "later"),
			want:   errors.New(""),
			text:   `applying StorageClass "fast": later`,
		},
		"NoAnswer": {
			object: class,
			err:    errors.New("connection refused"),
			want:   errors.New(""),
			text:   `applying StorageClass "fast": connection refused`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Explain(tc.object, tc.err)
			if sortOf(got) != sortOf(tc.want) {
				t.Errorf("is a %T, want a %T", got, tc.want)
			}
			if diff := cmp.Diff(tc.text, got.Error()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	passing := errors.New("connection refused")
	denied, refused := &DeniedError{}, &RefusedError{}
	namespace := &NamespaceError{}
	blocked, waiting := &BlockedError{}, &BlockedError{Passing: true}
	cases := map[string]struct {
		errs []error
		want error
		not  error
	}{
		"None":    {},
		"Refused": {errs: []error{refused}, want: refused},
		"Denied":  {errs: []error{refused, denied}, want: denied, not: refused},
		"Gone":    {errs: []error{refused, denied, namespace}, want: namespace, not: denied},
		"Passing": {errs: []error{refused, namespace, denied, passing}, want: passing, not: namespace},
		"Pending": {errs: []error{waiting}, want: waiting},
		"Blocked": {errs: []error{waiting, blocked}, want: blocked, not: waiting},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := worst(tc.errs)
			if !errors.Is(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			if tc.not != nil && errors.Is(got, tc.not) {
				t.Errorf("%v has %v", got, tc.not)
			}
		})
	}
}
