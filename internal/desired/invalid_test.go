// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func smallest() *v1alpha1.CSIDriverDeployment {
	d := &v1alpha1.CSIDriverDeployment{}
	d.Name = "pool.csi-operator.io"
	d.UID = "5c0ffee5-0000-4000-8000-000000000001"
	d.Spec.Bundled = &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/var/lib/pool"}
	return d
}

func TestInvalid(t *testing.T) {
	type edit = func(*v1alpha1.CSIDriverDeployment)
	path := func(p string) edit {
		return func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Bundled.Path = p }
	}
	class := func(parameters map[string]string) edit {
		return func(d *v1alpha1.CSIDriverDeployment) {
			d.Spec.StorageClasses = []v1alpha1.StorageClass{{Name: "good"}, {Name: "bad", Parameters: parameters}}
		}
	}
	options := func(list ...string) edit {
		return func(d *v1alpha1.CSIDriverDeployment) {
			d.Spec.StorageClasses = []v1alpha1.StorageClass{{Name: "good", MountOptions: []string{"discard"}}, {Name: "bad", MountOptions: list}}
		}
	}
	cases := map[string]struct {
		edit    edit
		field   string
		message string
	}{
		"NameTooLong": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Name = strings.Repeat("a", 64) },
			field: "metadata.name", message: "at most 63 characters; choose a shorter name",
		},
		"KubeletRootDirRelative": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.KubeletRootDir = "var/lib/kubelet" },
			field: "spec.kubeletRootDir", message: "must be an absolute path below the root directory",
		},
		"KubeletRootDirWithDots": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.KubeletRootDir = "/var/../kubelet" },
			field: "spec.kubeletRootDir", message: "without . or ..",
		},
		"TaintOfNoName": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.StartupTaint.Key = "example.com/" },
			field: "spec.startupTaint.key", message: `"example.com/" cannot be the key of a taint: name part must be non-empty; name part must consist of`,
		},
		"TaintOfTwoSlashes": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.StartupTaint.Key = "a/b/c" },
			field: "spec.startupTaint.key", message: `"a/b/c" cannot be the key of a taint: `,
		},
		"TaintOfKubernetes": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.StartupTaint.Key = "node.kubernetes.io/not-ready" },
			field: "spec.startupTaint.key", message: "is a taint of Kubernetes, which tells by it what else is the matter with a node; use pool.csi-operator.io/agent-not-ready",
		},
		"TaintOfKubernetesItself": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.StartupTaint.Key = "kubernetes.io/x" },
			field: "spec.startupTaint.key", message: "is a taint of Kubernetes",
		},
		"RegistryOfAScheme": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Images.Registry = "https://m.example.com" },
			field: "spec.images.registry", message: "is no registry",
		},
		"NameEmpty": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Name = "" },
			field: "metadata.name", message: "cannot be a CSI driver name",
		},
		"NameWithSlash": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Name = "../../etc" },
			field: "metadata.name", message: "cannot be a CSI driver name",
		},
		"SourceUnknown": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Source = "Else" },
			field: "spec.source", message: `"Else" is not known; use Bundled or Custom`,
		},
		"BundledMissing": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Bundled = nil },
			field: "spec.bundled", message: "is required",
		},
		"ModeMissing": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Bundled.Mode = "" },
			field: "spec.bundled.mode", message: `"" is not known; use Shared`,
		},
		"PathEmpty":          {edit: path(""), field: "spec.bundled.path", message: "absolute path"},
		"PathRelative":       {edit: path("var/pool"), field: "spec.bundled.path", message: "absolute path"},
		"PathRoot":           {edit: path("/"), field: "spec.bundled.path", message: "below the root directory"},
		"PathDots":           {edit: path("/var/../etc"), field: "spec.bundled.path", message: "without . or .."},
		"PathDot":            {edit: path("/var/."), field: "spec.bundled.path", message: "without . or .."},
		"PathSlashAtEnd":     {edit: path("/var/pool/"), field: "spec.bundled.path", message: "absolute path"},
		"PathTwoSlashes":     {edit: path("/var//pool"), field: "spec.bundled.path", message: "absolute path"},
		"PathWithVariable":   {edit: path("/var/$(POD_NAME)"), field: "spec.bundled.path", message: "letters, digits and _.-"},
		"PathWithNewline":    {edit: path("/var/pool\n"), field: "spec.bundled.path", message: "letters, digits and _.-"},
		"PathIsTheSocketDir": {edit: path("/csi"), field: "spec.bundled.path", message: "lies in /csi"},
		"PathInDev":          {edit: path("/dev/pool"), field: "spec.bundled.path", message: "lies in /dev"},
		"PathInKubelet":      {edit: path("/var/lib/kubelet/pods"), field: "spec.bundled.path", message: "lies in /var/lib/kubelet"},
		"PathIsVarRun":       {edit: path("/var/run"), field: "spec.bundled.path", message: "lies in /var/run"},
		"PathInEtcd":         {edit: path("/var/lib/etcd/member"), field: "spec.bundled.path", message: "lies in /var/lib/etcd"},
		"PathIsVarLib":       {edit: path("/var/lib"), field: "spec.bundled.path", message: "is a directory of the system; choose one below it"},
		"OverlappingPools": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Nodes = []v1alpha1.NodePool{{Name: "node"}, {Name: "gpu"}}
			},
			field: "spec.nodes[1]", message: "may select the same nodes as spec.nodes[0]",
		},
		"TheSameNodePoolTwice": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Nodes = []v1alpha1.NodePool{{Name: "node"}, {Name: "node"}}
			},
			field: "spec.nodes[1].workloadName", message: "spec.nodes[0] has that name already",
		},
		"NodePoolOfNoName": {
			edit:  func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Nodes = []v1alpha1.NodePool{{Name: "controller"}} },
			field: "spec.nodes[0].name", message: `and not "controller"`,
		},
		"BundledWithoutAttacher": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Sidecars.Attacher = &v1alpha1.SidecarSpec{Enabled: new(false)}
			},
			field: "spec.sidecars.attacher.enabled", message: "is decided by the bundled driver",
		},
		"BundledArgsByFragment": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Controller.Driver.Container = &runtime.RawExtension{Raw: []byte(`{"args":["-x"]}`)}
			},
			field: "spec.controller.driver.container", message: "args and command are decided by the bundled driver",
		},
		"BundledMounts": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Nodes = []v1alpha1.NodePool{{Name: "node", KubeletMounts: []v1alpha1.KubeletMount{}}}
			},
			field: "spec.nodes[0].kubeletMounts", message: "is decided by the bundled driver",
		},
		"ParameterUnknown": {
			edit:  class(map[string]string{"replicas": "3", "zone": "a"}),
			field: "spec.storageClasses[1].parameters[replicas]", message: "it takes csi.storage.k8s.io/fstype (ext4 or xfs)",
		},
		"ParameterDeprecated": {
			edit:  class(map[string]string{"fstype": "xfs"}),
			field: "spec.storageClasses[1].parameters[fstype]", message: "it takes csi.storage.k8s.io/fstype (ext4 or xfs)",
		},
		"FileSystemUnknown": {
			edit:  class(map[string]string{"csi.storage.k8s.io/fstype": "btrfs"}),
			field: "spec.storageClasses[1].parameters[csi.storage.k8s.io/fstype]", message: `"btrfs" is not a file system`,
		},
		"MountOptionUnknown": {
			edit: options("noatime", "uid=0"), field: "spec.storageClasses[1].mountOptions[1]",
			message: `"uid=0" is not allowed by the bundled driver; use async, defaults, dev, `,
		},
		"MountOptionsInOneString": {
			edit: options("noatime,ro"), field: "spec.storageClasses[1].mountOptions[0]", message: `"noatime,ro" is not allowed`,
		},
		"MountOptionEmpty": {edit: options(""), field: "spec.storageClasses[1].mountOptions[0]", message: `"" is not allowed`},
		"RequestOverLimit": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Sidecars.Defaults.Resources = &corev1.ResourceRequirements{
					Requests: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("2Gi")},
					Limits:   corev1.ResourceList{"memory": resource.MustParse("1Gi")},
				}
			},
			field: "spec.sidecars.defaults.resources.requests.memory", message: "2Gi is more than the limit of 1Gi",
		},
		"ResourceClaims": {
			edit: func(d *v1alpha1.CSIDriverDeployment) {
				d.Spec.Nodes = []v1alpha1.NodePool{{Name: "node", Part: v1alpha1.Part{Driver: v1alpha1.DriverSpec{
					Resources: &corev1.ResourceRequirements{Claims: []corev1.ResourceClaim{{Name: "gpu"}}},
				}}}}
			},
			field: "spec.nodes[0].driver.resources.claims", message: "no resourceClaims",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := smallest()
			tc.edit(d)
			expectInvalid(t, d, tc.field, tc.message)
		})
	}
}

// TestValid is what is close to something that is refused.
func TestValid(t *testing.T) {
	limits := corev1.ResourceList{"memory": resource.MustParse("1Gi")}
	cases := map[string]func(*v1alpha1.CSIDriverDeployment){
		"LongestName":         func(d *v1alpha1.CSIDriverDeployment) { d.Name = strings.Repeat("a", 63) },
		"PathBesideATree":     func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Bundled.Path = "/devpool" },
		"PathBelowADirectory": func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Bundled.Path = "/var/lib/x" },
		"FileSystems": func(d *v1alpha1.CSIDriverDeployment) {
			for _, fs := range []string{"ext4", "xfs"} {
				d.Spec.StorageClasses = append(d.Spec.StorageClasses, v1alpha1.StorageClass{Name: fs, Parameters: map[string]string{"csi.storage.k8s.io/fstype": fs}})
			}
		},
		"RequestAtItsLimit": func(d *v1alpha1.CSIDriverDeployment) {
			d.Spec.Sidecars.Defaults.Resources = &corev1.ResourceRequirements{Requests: limits, Limits: limits}
		},
		"PodWithoutContent": func(d *v1alpha1.CSIDriverDeployment) { d.Spec.Controller.Pod = &runtime.RawExtension{} },
	}
	for name, edit := range cases {
		t.Run(name, func(t *testing.T) {
			d := smallest()
			edit(d)
			mustRender(t, d)
		})
	}
}

// TestErrorsOfDecoders: whatever a decoder may say, it becomes an InvalidError that
// reads as a sentence.
func TestErrorsOfDecoders(t *testing.T) {
	other := errors.New("something else")
	cases := map[string]struct {
		err  error
		want string
	}{
		"TypeOfTheWhole": {wrongType("spec.x", &json.UnmarshalTypeError{Value: "bool", Type: reflect.TypeFor[string]()}, "PodSpec"), "spec.x: cannot be read as part of a PodSpec: "},
		"NoType":         {wrongType("spec.x", other, "PodSpec"), "spec.x: cannot be read as part of a PodSpec: something else"},
		"NoFieldError":   {notStrict("spec.x", other, "PodSpec"), "spec.x: something else"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got *InvalidError
			if !errors.As(tc.err, &got) || !strings.HasPrefix(got.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s…", tc.err, tc.want)
			}
		})
	}
}

func TestInvalidFragment(t *testing.T) {
	cases := map[string]struct {
		pod     string
		field   string // below …pod
		message string
	}{
		"UnknownFieldOfAnItem":   {`{"tolerations":[{"operator":"Exists"},{"foo":1}]}`, ".tolerations[1].foo", "is not a field of a PodSpec"},
		"UnknownFieldDeepDown":   {`{"affinity":{"nodeAffinity":{"required":{}}}}`, ".affinity.nodeAffinity.required", "is not a field of a PodSpec"},
		"UnknownField":           {`{"hostNetwerk":true}`, ".hostNetwerk", "is not a field of a PodSpec"},
		"FieldInAnotherCase":     {`{"Tolerations":[]}`, ".Tolerations", "is not a field of a PodSpec"},
		"AnotherAccount":         {`{"serviceAccountName":"default"}`, ".serviceAccountName", "use spec."},
		"PodsThatEnd":            {`{"restartPolicy":"Never"}`, ".restartPolicy", "must always come back"},
		"ContainerWithoutImage":  {`{"containers":[{"name":"drivr"}]}`, ".containers[drivr].image", "no other container has that name"},
		"MountWithoutVolume":     {`{"containers":[{"name":"driver","volumeMounts":[{"name":"x","mountPath":"/x"}]}]}`, ".containers[driver].volumeMounts[/x]", `there is no volume "x"`},
		"OurLabel":               {`{"labels":{"csi-operator.io/component":"x"}}`, ".labels[csi-operator.io/component]", "is the operator's own"},
		"RemoveWhatIsNotThere":   {`{"remove":["containers[driver].lifecycle"]}`, ".remove[0]", `"containers[driver].lifecycle" is not there`},
		"RemoveOfNoPath":         {`{"remove":["affinity","a..b"]}`, ".remove[1]", `"a..b" is no path`},
		"GivenTwice":             {`{"priorityClassName":"a","priorityClassName":"b"}`, ".priorityClassName", "is given twice"},
		"GivenTwiceInAnItem":     {`{"tolerations":[{"key":"a","key":"b"}]}`, ".tolerations[0].key", "is given twice"},
		"Null":                   {`{"affinity":null}`, ".affinity", "null is refused; leave the field out"},
		"NullDeepDown":           {`{"tolerations":[{},{"key":null}]}`, ".tolerations[1].key", "null is refused"},
		"NullItem":               {`{"tolerations":[null]}`, ".tolerations[0]", "null is refused"},
		"NullOfAnUnknownField":   {`{"foo":{"bar":null}}`, ".foo.bar", "null is refused"},
		"NullAltogether":         {`null`, "", "must be an object"},
		"List":                   {`[]`, "", "must be an object"},
		"Text":                   {`"tolerations"`, "", "must be an object"},
		"NotJSON":                {`{`, "", "is not JSON"},
		"TwoDocuments":           {`{}{}`, "", "is not JSON"},
		"ObjectForAList":         {`{"tolerations":{}}`, ".tolerations", "a JSON object does not fit"},
		"TextForANumber":         {`{"tolerations":[{"tolerationSeconds":"1"}]}`, ".tolerations.tolerationSeconds", "a JSON string does not fit"},
		"NumberOutOfRange":       {`{"topologySpreadConstraints":[{"maxSkew":4294967296}]}`, ".topologySpreadConstraints.maxSkew", "does not fit"},
		"BooleanInANodeSelector": {`{"nodeSelector":{"fast":true}}`, ".nodeSelector", "a JSON bool does not fit; a PodSpec has string here"},
	}
	parts := map[string]func(*v1alpha1.CSIDriverDeployment, *runtime.RawExtension){
		"spec.controller.pod": func(d *v1alpha1.CSIDriverDeployment, raw *runtime.RawExtension) { d.Spec.Controller.Pod = raw },
		"spec.nodes[0].pod": func(d *v1alpha1.CSIDriverDeployment, raw *runtime.RawExtension) {
			d.Spec.Nodes = []v1alpha1.NodePool{{Name: v1alpha1.DefaultNodePool, Part: v1alpha1.Part{Pod: raw}}}
		},
	}
	for name, tc := range cases {
		for field, set := range parts {
			t.Run(name+"/"+field, func(t *testing.T) {
				d := smallest()
				set(d, &runtime.RawExtension{Raw: []byte(tc.pod)})
				expectInvalid(t, d, field+tc.field, tc.message)
			})
		}
	}
}

func expectInvalid(t *testing.T, d *v1alpha1.CSIDriverDeployment, field, message string) {
	t.Helper()
	set, err := Render(d, facts())
	var got *InvalidError
	if !errors.As(err, &got) {
		t.Fatalf("got error %v, want an InvalidError", err)
	}
	if got.Field != field || !strings.Contains(got.Message, message) {
		t.Errorf("got  %v\nwant %s: …%s…", got, field, message)
	}
	if diff := cmp.Diff(Set{}, set); diff != "" {
		t.Errorf("something was rendered all the same: %s", diff)
	}
}

// FuzzFragment looks for a fragment that panics or gets through with a field
// that nobody decided to take.
func FuzzFragment(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"tolerations":[{"operator":"Exists"}]}`, `{"nodeSelector":{"a":"b"}}`,
		`{"affinity":{"podAntiAffinity":{}}}`, `{"priorityClassName":""}`, `{"tolerations":[null]}`, `{"a":{"b":[null]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := smallest()
		d.Spec.Controller.Pod = &runtime.RawExtension{Raw: raw}
		set, err := Render(d, facts())
		if err != nil {
			var refused *InvalidError
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Field, "spec.controller.pod") {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		expectClean(t, set)
	})
}
