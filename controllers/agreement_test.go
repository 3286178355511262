// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// healthScript is what Argo CD runs.
var healthScript = filepath.Join("..", "config", "argocd", "health.lua")

// reading is how other tools understand a deployment.
type reading struct {
	kstatus kstatus.Status
	argo    string
	// waits is true where `kubectl wait --for=condition=Ready` ends.
	waits bool
}

// readings are those that say the same.
func readings() []reading {
	return []reading{
		{kstatus.CurrentStatus, "Healthy", true},
		{kstatus.InProgressStatus, "Progressing", false},
		{kstatus.FailedStatus, "Degraded", false},
		{kstatus.TerminatingStatus, "Progressing", false},
	}
}

// agreed is how all tools understand a deployment; an error if they do not agree, or if
// its conditions do not fit each other.
func agreed(d *v1alpha1.CSIDriverDeployment) (kstatus.Status, error) {
	u, err := asRead(d)
	if err != nil {
		return "", err
	}
	result, err := kstatus.Compute(u)
	if err != nil {
		return "", err
	}
	got := reading{kstatus: result.Status, waits: endsWait(u, v1alpha1.ConditionReady)}
	var message string
	if got.argo, message, err = runHealthScript(u); err != nil {
		return "", err
	}
	if message == "" && got.argo != "Healthy" {
		return "", fmt.Errorf("Argo CD is not told why it is %s", got.argo)
	}
	for _, want := range readings() {
		if got == want {
			return got.kstatus, exclusive(d)
		}
	}
	return "", fmt.Errorf("kstatus says %s, Argo CD %s, kubectl wait ends: %t", got.kstatus, got.argo, got.waits)
}

// exclusive is an error unless a deployment of which Ready is True has neither condition of
// kstatus, and any other one exactly one of them, of the generation of Ready.
func exclusive(d *v1alpha1.CSIDriverDeployment) error {
	ready := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady)
	var there []string
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		c := meta.FindStatusCondition(d.Status.Conditions, kind)
		if c == nil {
			continue
		}
		there = append(there, kind)
		if ready == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != ready.ObservedGeneration || c.Reason == "" || c.Message == "" {
			return fmt.Errorf("%s is %+v beside %+v", kind, c, ready)
		}
	}
	want := 1
	if ready == nil || ready.Status == metav1.ConditionTrue {
		want = 0
	}
	if len(there) != want {
		return fmt.Errorf("%v beside Ready %+v", there, ready)
	}
	return nil
}

// asRead is a deployment as other tools get it.
func asRead(d *v1alpha1.CSIDriverDeployment) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	return u, nil
}

// endsWait is what kubectl wait looks at: a condition that is True, of no older generation
// than the object's. TestKubectlWait asks kubectl itself.
func endsWait(u *unstructured.Unstructured, kind string) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		fields, _ := c.(map[string]any)
		if name, _ := fields["type"].(string); !strings.EqualFold(name, kind) {
			continue
		}
		generation, found := fields["observedGeneration"].(int64)
		if !found {
			generation, found, _ = unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		}
		return fields["status"] == "True" && (!found || generation >= u.GetGeneration())
	}
	return false
}

// runHealthScript does what Argo CD does: a Lua with no library but that of tables.
func runHealthScript(u *unstructured.Unstructured) (health, message string, err error) {
	script, err := os.ReadFile(healthScript)
	if err != nil {
		return "", "", err
	}
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	l.SetGlobal("obj", valueOf(l, u.Object))
	if err := l.DoString(string(script)); err != nil {
		return "", "", err
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", errors.New("the script returns no table")
	}
	return table.RawGetString("status").String(), table.RawGetString("message").String(), nil
}

// valueOf is a value of JSON in Lua.
func valueOf(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case []any:
		table := l.NewTable()
		for _, item := range v {
			table.Append(valueOf(l, item))
		}
		return table
	case map[string]any:
		table := l.NewTable()
		for key, item := range v {
			table.RawSetString(key, valueOf(l, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// judgedReads are the versions of deployments that were judged: tests read each of them many
// times.
var judgedReads sync.Map

// wantAgreement fails the test if other tools do not agree on a deployment as it was read.
func wantAgreement(t *testing.T, d *v1alpha1.CSIDriverDeployment) {
	t.Helper()
	if _, judged := judgedReads.LoadOrStore(string(d.UID)+"/"+d.ResourceVersion, true); judged {
		return
	}
	if _, err := agreed(d); err != nil {
		t.Errorf("%s at generation %d: %v; status: %+v", d.Name, d.Generation, err, d.Status.Conditions)
	}
}
