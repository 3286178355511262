// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/plan"
)

const (
	// maxExamples is how many blockers status names; its message names fewer.
	maxExamples        = 10
	maxMessageExamples = 2
	// gatePage is how many objects one live read of the gate asks for.
	gatePage = 500
)

// users are what would be lost or stuck if a driver went.
type users struct {
	volumes, attachments []string
}

// gate says whether volumes keep the driver from going, and tells in the
// status which. An error tells nothing: the caller must not go on.
func (r *Reconciler) gate(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (blocked bool, err error) {
	u, err := r.usersOf(ctx, d.Name)
	if err != nil {
		return true, fmt.Errorf("looking for volumes of the driver: %w", err)
	}
	d.Status.Deletion = u.status()
	if u.none() {
		meta.RemoveStatusCondition(&d.Status.Conditions, v1alpha1.ConditionDeletionBlocked)
		return false, nil
	}
	mark(d, metav1.Condition{
		Type: v1alpha1.ConditionDeletionBlocked, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVolumesExist,
		Message: u.message(d.Name),
	})
	return true, nil
}

// usersOf finds PersistentVolumes in whatever phase and VolumeAttachments of
// the driver. That the cache knows one is enough to block; that there is none
// only the API server can say.
func (r *Reconciler) usersOf(ctx context.Context, driver string) (users, error) {
	cached, err := findUsers(ctx, r.client, driver, 0)
	if err != nil || !cached.none() {
		return cached, err
	}
	return findUsers(ctx, r.live, driver, gatePage)
}

// use tells what needs the workloads of a driver that is not being deleted. For a plan
// that nobody executes, the cache knows enough.
func (r *Reconciler) use(ctx context.Context, d *v1alpha1.CSIDriverDeployment) (plan.Use, error) {
	look := r.usersOf
	if !managed(d) {
		look = func(ctx context.Context, driver string) (users, error) { return findUsers(ctx, r.client, driver, 0) }
	}
	u, err := look(ctx, d.Name)
	if err != nil {
		return plan.Use{}, fmt.Errorf("looking for volumes of the driver: %w", err)
	}
	return plan.Use{
		Volumes:     needed("PersistentVolume", u.volumes),
		Attachments: needed("VolumeAttachment", u.attachments),
	}, nil
}

// needed counts objects and names the first; empty for none.
func needed(kind string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s of the driver, e.g. %s", count(len(names), kind), names[0])
}

// findUsers reads pages of the given size, or all at once for 0: a cache knows
// no pages, and answers with a token to continue that it does not take.
func findUsers(ctx context.Context, reader client.Reader, driver string, size int64) (users, error) {
	var u users
	volumes := func() *corev1.PersistentVolumeList { return &corev1.PersistentVolumeList{} }
	err := eachPage(ctx, reader, size, volumes, func(page *corev1.PersistentVolumeList) {
		for i := range page.Items {
			if csi := page.Items[i].Spec.CSI; csi != nil && csi.Driver == driver {
				u.volumes = append(u.volumes, page.Items[i].Name)
			}
		}
	})
	if err != nil {
		return users{}, fmt.Errorf("listing PersistentVolumes: %w", err)
	}
	attachments := func() *storagev1.VolumeAttachmentList { return &storagev1.VolumeAttachmentList{} }
	err = eachPage(ctx, reader, size, attachments, func(page *storagev1.VolumeAttachmentList) {
		for i := range page.Items {
			if page.Items[i].Spec.Attacher == driver {
				u.attachments = append(u.attachments, page.Items[i].Name)
			}
		}
	})
	if err != nil {
		return users{}, fmt.Errorf("listing VolumeAttachments: %w", err)
	}
	slices.Sort(u.volumes)
	slices.Sort(u.attachments)
	return u, nil
}

// eachPage visits each page of a list, decoded into a new value.
func eachPage[L client.ObjectList](ctx context.Context, reader client.Reader, size int64, empty func() L, visit func(L)) error {
	next := ""
	for {
		var options []client.ListOption
		if size > 0 {
			options = append(options, client.Limit(size), client.Continue(next))
		}
		page := empty()
		if err := reader.List(ctx, page, options...); err != nil {
			return err
		}
		visit(page)
		if next = page.GetContinue(); next == "" || size == 0 {
			return nil
		}
	}
}

func (u users) none() bool { return len(u.volumes)+len(u.attachments) == 0 }

func (u users) status() *v1alpha1.DeletionStatus {
	return &v1alpha1.DeletionStatus{
		PersistentVolumes: int32(len(u.volumes)),     //nolint:gosec // a cluster holds fewer than 2^31 objects
		VolumeAttachments: int32(len(u.attachments)), //nolint:gosec // likewise
		Examples:          u.examples(maxExamples),
	}
}

func (u users) message(driver string) string {
	verb := "exist"
	if len(u.volumes)+len(u.attachments) == 1 {
		verb = "exists"
	}
	return fmt.Sprintf("%s and %s of driver %s still %s, e.g. %s; delete the claims that use them, and the PersistentVolumes that are Released",
		count(len(u.volumes), "PersistentVolume"), count(len(u.attachments), "VolumeAttachment"), driver, verb,
		strings.Join(u.examples(maxMessageExamples), ", "))
}

// examples are the first n, as kind/name.
func (u users) examples(n int) []string {
	var out []string
	for _, name := range u.volumes {
		out = append(out, "PersistentVolume/"+name)
	}
	for _, name := range u.attachments {
		out = append(out, "VolumeAttachment/"+name)
	}
	return out[:min(n, len(out))]
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
