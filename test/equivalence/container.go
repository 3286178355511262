// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

// container is a container before its volumes are known.
type container struct {
	Container
	name, role string
	mounts     []mount
}

// mount is one volume at one place of a container.
type mount struct{ volume, target string }

// readContainer reads a container. Its role begins with prefix.
func readContainer(f fields, prefix string) container {
	c := container{name: f.text("name")}
	if c.name == "" {
		f.found.fail("%s: has no name", f.at)
	}
	c.Image = f.text("image")
	c.role = prefix + containerRole(f, c.name, c.Image)
	c.PullPolicy = f.text("imagePullPolicy")
	c.MessagePolicy = f.text("terminationMessagePolicy")
	env := readEnvironment(f.items("env"))
	c.Command = env.expandAll(f.texts("command"))
	c.Args = countArgs(env.expandAll(f.texts("args")))
	c.Env = env.own(c.Args)
	c.Resources = readResources(f.child("resources"))
	c.SecurityContext = f.tree("securityContext")
	c.Lifecycle = f.tree("lifecycle")
	ports := readPorts(f.items("ports"))
	c.Ports = ports.list
	c.LivenessProbe = ports.probe(f, "livenessProbe")
	c.ReadinessProbe = ports.probe(f, "readinessProbe")
	c.StartupProbe = ports.probe(f, "startupProbe")
	c.mounts = readMounts(f.items("volumeMounts"))
	f.rest()
	return c
}

func readResources(f fields) map[string]map[string]string {
	resources := map[string]map[string]string{}
	for _, name := range []string{"limits", "requests"} {
		if words := f.words(name); len(words) > 0 {
			resources[name] = words
		}
	}
	f.rest()
	return resources
}

func readMounts(items []fields) []mount {
	var list []mount
	places := map[string]bool{}
	for _, item := range items {
		place := directory(item.text("mountPath"))
		if places[place] {
			item.found.fail("%s: something else is mounted at %s as well", item.at, place)
		}
		places[place] = true
		target := place + " " + item.text("mountPropagation")
		if item.flag("readOnly") {
			target += " ro"
		}
		for _, name := range []string{"subPath", "subPathExpr"} {
			if value := item.text(name); value != "" {
				target += " " + name + "=" + value
			}
		}
		list = append(list, mount{volume: item.text("name"), target: target})
		item.rest()
	}
	return list
}

// ports are the ports of a container.
type ports struct {
	list   [][]any
	byName map[string]int64
}

func readPorts(items []fields) ports {
	p := ports{byName: map[string]int64{}}
	for _, item := range items {
		number := item.number("containerPort")
		if name := item.text("name"); name != "" {
			p.byName[name] = number
		}
		p.list = append(p.list, []any{number, item.text("protocol")})
		item.rest()
	}
	return p
}

// probe reads a probe. It may call its port by name.
func (p ports) probe(f fields, name string) map[string]any {
	probe := f.tree(name)
	for _, kind := range []string{"httpGet", "tcpSocket"} {
		action, _ := probe[kind].(map[string]any)
		port, called := action["port"].(string)
		if !called {
			continue
		}
		number, there := p.byName[port]
		if !there {
			f.found.fail("%s: asks port %q, which the container does not have", f.path(name), port)
		}
		action["port"] = number
	}
	return probe
}
