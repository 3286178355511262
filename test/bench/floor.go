// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
)

// floorParallel is how many requests the floor has under way at once.
const floorParallel = 8

// floor is the least that somebody must do who brings the same objects into a
// cluster: it watches, renders, and applies; it knows no finalizer, no status, no
// second look.
type floor struct {
	client dynamic.Interface
	// limited is true without the right to bind any role: bindings come last, since
	// the API server looks into the role first.
	limited bool
	slots   chan struct{}
	work    sync.WaitGroup

	mu  sync.Mutex
	err error
}

// startFloor starts a floor of a user. What is returned ends it, and tells what
// went wrong.
func (b *bench) startFloor(ctx context.Context, user string, limited bool) (func(context.Context) error, error) {
	config, err := b.cluster.ConfigOf(user)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting the floor: %w", err)
	}
	w, err := client.Resource(v1alpha1.GroupVersion.WithResource("csidriverdeployments")).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("watching, for the floor: %w", err)
	}
	f := &floor{client: client, limited: limited, slots: make(chan struct{}, floorParallel)}
	f.work.Go(func() { f.serve(ctx, w) })
	return func(context.Context) error {
		w.Stop()
		f.work.Wait()
		return f.err
	}, nil
}

func (f *floor) serve(ctx context.Context, w watch.Interface) {
	for event := range w.ResultChan() {
		if u, ok := event.Object.(*unstructured.Unstructured); ok && event.Type == watch.Added {
			f.work.Go(func() { f.note(f.put(ctx, u)) })
		}
	}
}

func (f *floor) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// put applies all objects of a driver.
func (f *floor) put(ctx context.Context, u *unstructured.Unstructured) error {
	d := &v1alpha1.CSIDriverDeployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, d); err != nil {
		return fmt.Errorf("reading a driver, for the floor: %w", err)
	}
	set, err := desired.Render(d, facts)
	if err != nil {
		return err
	}
	for _, step := range f.steps(set.Objects) {
		var group errgroup.Group
		for _, object := range step {
			group.Go(func() error { return f.apply(ctx, object.Intent) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// steps are the objects that are applied at once.
func (f *floor) steps(objects []desired.Object) [][]desired.Object {
	if !f.limited {
		return [][]desired.Object{objects}
	}
	isBinding := func(o desired.Object) bool { return o.Step == desired.StepBindings }
	bindings := slices.DeleteFunc(slices.Clone(objects), func(o desired.Object) bool { return !isBinding(o) })
	return [][]desired.Object{slices.DeleteFunc(slices.Clone(objects), isBinding), bindings}
}

func (f *floor) apply(ctx context.Context, intent *unstructured.Unstructured) error {
	f.slots <- struct{}{}
	defer func() { <-f.slots }()
	resource, _ := meta.UnsafeGuessKindToResource(intent.GroupVersionKind())
	_, err := f.client.Resource(resource).Namespace(intent.GetNamespace()).
		Apply(ctx, intent.GetName(), intent, metav1.ApplyOptions{FieldManager: v1alpha1.FieldOwner, Force: true})
	if err != nil {
		return fmt.Errorf("applying %s %s, for the floor: %w", intent.GetKind(), intent.GetName(), err)
	}
	return nil
}
