package increment

import "testing"

func TestWithin(t *testing.T) {
	for _, c := range []struct{ out, folder, name string }{
		{out: "/srv/labels/2026-11-30", folder: "/srv/labels", name: "2026-11-30"},
		{out: "az://acme/labels/2026-11-30", folder: "az://acme/labels", name: "2026-11-30"},
		{out: "az://acme/labels/nightly/2026-11-30", folder: "az://acme/labels/nightly", name: "2026-11-30"},
		{out: "az://acme/labels/nightly/2026-11-30", folder: "az://acme/labels"},
		{out: "az://acme/labels-v2/2026-11-30", folder: "az://acme/labels"},
		{out: "/srv/labels", folder: "/srv/labels"},
	} {
		if name, ok := within(c.out, c.folder); ok != (c.name != "") || ok && name != c.name {
			t.Errorf("within(%q, %q) = %q, %v; want %q", c.out, c.folder, name, ok, c.name)
		}
	}
}
