// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// valid is the smallest spec.
const valid = "bundled: {mode: Shared, path: /srv/pool}"

// custom is a whole driver of another source, to which more is added.
const custom = "source: Custom\ncapabilities: []\ndriver: {image: a/b:v1}\n"

// object makes what a user would apply; typed objects would hide what is left
// out from what is empty.
func object(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	if spec != "" {
		var s map[string]any
		if err := yaml.Unmarshal([]byte(spec), &s); err != nil {
			t.Fatal(err)
		}
		u.Object["spec"] = s
	}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	u.SetName(name)
	return u
}

// check compares an answer of the API server with what a test wants: "" is
// acceptance, else a part of the refusal.
func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("accepted, want a refusal with %q", want)
	case want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want)):
		t.Errorf("refused with %v, want %q", err, want)
	}
}

func TestCreate(t *testing.T) {
	path := func(p string) string { return fmt.Sprintf("bundled: {mode: Shared, path: %q}", p) }
	const (
		shape  = "path must be absolute, not the root directory"
		dots   = "path may not contain . or .."
		system = "path is a directory of the system"
		inside = "path lies in a directory of the system"
	)
	cases := map[string]struct {
		name string // default: a valid one
		spec string
		want string
	}{
		"Smallest":           {spec: valid},
		"LongestName":        {name: strings.Repeat("a", 63), spec: valid},
		"NameOver63":         {name: strings.Repeat("a", 64), spec: valid, want: "may have at most 63 characters"},
		"NoSpec":             {want: "bundled is required"},
		"NoBundled":          {spec: "source: Bundled", want: "bundled is required"},
		"NoMode":             {spec: "bundled: {path: /srv/pool}", want: "spec.bundled.mode: Required value"},
		"NoPath":             {spec: "bundled: {mode: Shared}", want: "spec.bundled.path: Required value"},
		"UnknownMode":        {spec: "bundled: {mode: Local, path: /srv/pool}", want: `supported values: "Shared"`},
		"UnknownSource":      {spec: "source: Other\n" + valid, want: `supported values: "Bundled", "Custom"`},
		"Custom":             {spec: "source: Custom\ndriver: {image: a/b:v1}"},
		"CustomOfNoImage":    {spec: "source: Custom\ncapabilities: []", want: "driver.image is required for source Custom"},
		"CustomImageOfAPart": {spec: "source: Custom\ncapabilities: []\ncontroller: {disabled: true}\nnodes: [{name: a, driver: {image: a/b:v1}}]"},
		"CustomAndBundled":   {spec: "source: Custom\ndriver: {image: a/b:v1}\n" + valid, want: "leave it out for source Custom"},
		"CapacityTwice":      {spec: custom + "storageCapacity: true\ncsiDriver: {storageCapacity: true}", want: "csiDriver.storageCapacity is refused: use storageCapacity"},
		"SinglePod":          {spec: custom + "layout: SinglePod\nnodes: []"},
		"SinglePodOfNodes":   {spec: custom + "layout: SinglePod\nnodes: [{name: a}]", want: "layout SinglePod has no node pools"},
		"SinglePodOfNothing": {spec: custom + "layout: SinglePod\ncontroller: {disabled: true}", want: "layout SinglePod needs the controller workload"},
		"TwoDefaults":        {spec: custom + "storageClasses: [{name: a, default: true}, {name: b, default: true}]", want: "two classes cannot be the default class"},
		"TwoSnapshotDefault": {spec: custom + "volumeSnapshotClasses: [{name: a, default: true}, {name: b, default: true}]", want: "two snapshot classes cannot be the driver's default"},
		"TwoGroupDefaults":   {spec: custom + "volumeGroupSnapshotClasses: [{name: a, default: true}, {name: b, default: true}]", want: "two group snapshot classes cannot be the driver's default"},
		"HalfASecret":        {spec: custom + "storageClasses: [{name: a, secrets: {nodeStage: {name: x}}}]", want: "spec.storageClasses[0].secrets.nodeStage.namespace: Required value"},
		"NoAttributes":       {spec: custom + "volumeAttributesClasses: [{name: a, parameters: {}}]", want: "spec.volumeAttributesClasses[0].parameters"},
		"ControllerPool":     {spec: custom + "nodes: [{name: controller}]", want: "a pool cannot be called controller"},
		"LongPool":           {spec: custom + "nodes: [{name: a234567890123456}]", want: "may not be more than 15"},
		"PercentAbove":       {spec: custom + "rollout: {maxUnavailable: 101%}", want: "spec.rollout.maxUnavailable"},
		"OnDeleteAndNumber":  {spec: custom + "rollout: {strategy: OnDelete, maxUnavailable: 1}", want: "maxUnavailable belongs to strategy RollingUpdate"},
		"RecreateAndNumber":  {spec: custom + "controller: {strategy: {type: Recreate, maxSurge: 1}}", want: "belong to type RollingUpdate"},
		"BudgetTwice":        {spec: custom + "controller: {podDisruptionBudget: {minAvailable: 1, maxUnavailable: 1}}", want: "exclude each other"},
		"MountOutside":       {spec: custom + "controller: {kubeletMounts: [{path: ../etc}]}", want: "spec.controller.kubeletMounts[0].path"},
		"MountTwice":         {spec: custom + "controller: {kubeletMounts: [{path: pods}, {path: pods}]}", want: "Duplicate value"},
		"SidecarVersion":     {spec: custom + "sidecars: {attacher: {version: latest}}", want: "spec.sidecars.attacher.version"},
		"SidecarArgument":    {spec: custom + "sidecars: {attacher: {extraArgs: [-v]}}", want: "spec.sidecars.attacher.extraArgs[0]"},
		"PathOfOddNames":     {spec: path("/srv/my.pool_1/a-b")},
		"PathBelowKubelet":   {spec: path("/var/lib/kubelet/pool"), want: inside},
		"PathBelowVarLib":    {spec: path("/var/lib/csi-operator/pool")},
		"RelativePath":       {spec: path("srv/pool"), want: shape},
		"RootPath":           {spec: path("/"), want: shape},
		"EmptyPath":          {spec: path(""), want: shape},
		"TrailingSlash":      {spec: path("/srv/pool/"), want: shape},
		"DoubleSlash":        {spec: path("/srv//pool"), want: shape},
		"Spaces":             {spec: path("/srv/my pool"), want: shape},
		"Colon":              {spec: path("/srv/pool:ro"), want: shape},
		"Newline":            {spec: path("/srv/pool\n"), want: shape},
		"DotDot":             {spec: path("/srv/../etc"), want: dots},
		"Dot":                {spec: path("/srv/./pool"), want: dots},
		"Dots":               {spec: path("/srv/...")},
		"Etc":                {spec: path("/etc"), want: inside},
		"VarLib":             {spec: path("/var/lib"), want: system},
		"Kubelet":            {spec: path("/var/lib/kubelet"), want: inside},
		"Device":             {spec: path("/dev/shm"), want: inside},
		"TooLong":            {spec: path("/" + strings.Repeat("a", 253)), want: "spec.bundled.path"},
		"BadNamespace":       {spec: "namespace: A_b\n" + valid, want: "spec.namespace"},
		"NoReplicas":         {spec: "controller: {replicas: 0}\n" + valid, want: "spec.controller.replicas"},
		"ManyReplicas":       {spec: "controller: {replicas: 11}\n" + valid, want: "spec.controller.replicas"},
		"OneNodePool":        {spec: "nodes: [{name: node}]\n" + valid},
		"OtherNodePool":      {spec: "nodes: [{name: other}]\n" + valid},
		"NodePoolTwice":      {spec: "nodes: [{name: a}, {name: a}]\n" + valid, want: "Duplicate value"},
		"KubeletRootDir":     {spec: "kubeletRootDir: /data/kubelet\n" + valid},
		"KubeletRelative":    {spec: "kubeletRootDir: data/kubelet\n" + valid, want: "kubeletRootDir must be absolute"},
		"KubeletRoot":        {spec: "kubeletRootDir: /\n" + valid, want: "kubeletRootDir must be absolute"},
		"KubeletDots":        {spec: "kubeletRootDir: /data/../kubelet\n" + valid, want: "kubeletRootDir may not contain . or .."},
		"Registry":           {spec: "images: {registry: 'mirror.example.com:5000/k8s', pullPolicy: Always, pullSecrets: [{name: a}, {name: b.c}]}\n" + valid},
		"RegistryLocalhost":  {spec: "images: {registry: localhost}\n" + valid},
		"RegistryScheme":     {spec: "images: {registry: 'https://m.example.com'}\n" + valid, want: "images.registry must be a host"},
		"RegistrySlash":      {spec: "images: {registry: 'm.example.com/'}\n" + valid, want: "images.registry must be a host"},
		"RegistryNoHost":     {spec: "images: {registry: mirror}\n" + valid, want: "others are taken for a path on docker.io"},
		"Taint":              {spec: "startupTaint: {enabled: true, retaint: true, key: Example_1.key}\n" + valid},
		"TaintWithPrefix":    {spec: "startupTaint: {key: a-1.example.com/agent-not-ready}\n" + valid},
		"TaintOfTwoSlashes":  {spec: "startupTaint: {key: a/b/c}\n" + valid, want: "key must be a qualified name such as example.com/agent-not-ready"},
		"TaintOfBigPrefix":   {spec: "startupTaint: {key: Example.com/x}\n" + valid, want: "key must be a qualified name"},
		"TaintWithDashAtEnd": {spec: "startupTaint: {key: example.com/x-}\n" + valid, want: "key must be a qualified name"},
		"TaintOverLength":    {spec: "startupTaint: {key: example.com/" + strings.Repeat("a", 64) + "}\n" + valid, want: "key must be a qualified name"},
		"TaintWithValue":     {spec: "startupTaint: {key: 'example.com/x=y'}\n" + valid, want: "key must be a qualified name"},
		"PullPolicy":         {spec: "images: {pullPolicy: Sometimes}\n" + valid, want: "spec.images.pullPolicy"},
		"PullSecretTwice":    {spec: "images: {pullSecrets: [{name: a}, {name: a}]}\n" + valid, want: "Duplicate value"},
		"PullSecretName":     {spec: "images: {pullSecrets: [{name: A}]}\n" + valid, want: "spec.images.pullSecrets[0].name"},
		"NoNodePool":         {spec: "nodes: []\n" + valid},
		"Classes":            {spec: "storageClasses: [{name: a}, {name: b.c}]\n" + valid},
		"NoClasses":          {spec: "storageClasses: []\n" + valid},
		"ClassTwice":         {spec: "storageClasses: [{name: a}, {name: a}]\n" + valid, want: "Duplicate value"},
		"ClassName":          {spec: "storageClasses: [{name: A}]\n" + valid, want: "spec.storageClasses[0].name"},
		"ClassReclaimPolicy": {spec: "storageClasses: [{name: a, reclaimPolicy: Recycle}]\n" + valid, want: "reclaimPolicy"},
		"ClassBindingMode":   {spec: "storageClasses: [{name: a, volumeBindingMode: Later}]\n" + valid, want: "volumeBindingMode"},
		"Fragment":           {spec: "controller: {pod: {tolerations: [{operator: Exists}]}}\n" + valid},
		"FragmentNoObject":   {spec: "controller: {pod: [1]}\n" + valid, want: "spec.controller.pod"},
	}
	i := 0
	for name, tc := range cases {
		if i++; tc.name == "" {
			tc.name = fmt.Sprintf("create-%d.example.com", i)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, server.Create(t.Context(), object(t, tc.name, tc.spec)), tc.want)
		})
	}
}

func TestUpdate(t *testing.T) {
	const (
		namespace = "namespace cannot be changed"
		mode      = "bundled.mode cannot be changed"
		path      = "bundled.path cannot be changed"
		required  = "bundled is required"
	)
	cases := map[string]struct{ before, after, want string }{
		"NamespaceKept":        {before: "namespace: a\n" + valid, after: "namespace: a\n" + valid},
		"NamespaceChanged":     {before: "namespace: a\n" + valid, after: "namespace: b\n" + valid, want: namespace},
		"NamespaceUnset":       {before: "namespace: a\n" + valid, after: valid, want: namespace},
		"NamespaceSet":         {before: valid, after: "namespace: a\n" + valid, want: namespace},
		"SourceSpelledOut":     {before: valid, after: "source: Bundled\n" + valid},
		"SourceChanged":        {before: valid, after: "source: Custom\ndriver: {image: a/b:v1}", want: "source cannot be changed"},
		"SourceTakenBack":      {before: "source: Custom\ndriver: {image: a/b:v1}", after: valid, want: "source cannot be changed"},
		"SourceLeftOut":        {before: "source: Bundled\n" + valid, after: valid},
		"PathChanged":          {before: valid, after: "bundled: {mode: Shared, path: /srv/other}", want: path},
		"PathUnset":            {before: valid, after: "bundled: {mode: Shared}", want: "spec.bundled.path: Required value"},
		"ModeChanged":          {before: valid, after: "bundled: {mode: Local, path: /srv/pool}", want: "spec.bundled.mode"},
		"ModeUnset":            {before: valid, after: "bundled: {path: /srv/pool}", want: "spec.bundled.mode: Required value"},
		"ParentRemoved":        {before: valid, after: "controller: {replicas: 1}", want: required},
		"ParentRemovedTellsOf": {before: valid, after: "controller: {replicas: 1}", want: mode},
		"SpecRemoved":          {before: valid, after: "", want: required},
		"OthersChanged":        {before: valid, after: "controller: {replicas: 1}\nstorageClasses: []\n" + valid},
	}
	i := 0
	for name, tc := range cases {
		i++
		u := object(t, fmt.Sprintf("update-%d.example.com", i), tc.before)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := server.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			after := object(t, u.GetName(), tc.after)
			after.SetResourceVersion(u.GetResourceVersion())
			check(t, server.Update(t.Context(), after), tc.want)
		})
	}
}

// TestEmptyIsNotOmitted: no classes is another wish than the default class.
func TestEmptyIsNotOmitted(t *testing.T) {
	for name, tc := range map[string]struct {
		spec    string
		omitted bool
	}{
		"omitted": {spec: valid, omitted: true},
		"empty":   {spec: "storageClasses: []\n" + valid},
	} {
		t.Run(name, func(t *testing.T) {
			if err := server.Create(t.Context(), object(t, name+".example.com", tc.spec)); err != nil {
				t.Fatal(err)
			}
			d := &v1alpha1.CSIDriverDeployment{}
			if err := server.Get(t.Context(), client.ObjectKey{Name: name + ".example.com"}, d); err != nil {
				t.Fatal(err)
			}
			if err := server.Update(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if omitted := d.Spec.StorageClasses == nil; omitted != tc.omitted {
				t.Errorf("omitted is %t after a typed write", omitted)
			}
		})
	}
}
