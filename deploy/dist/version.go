package main

import (
	"fmt"
	"regexp"
	"strings"
)

// version is one version in the forms of those who compare it.
type version struct{ program, debian, python string }

var (
	tagged = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.?(\d+))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)
	commit = regexp.MustCompile(`^([0-9a-f]{7,40})(-dirty)?$`)
)

// parseVersion reads what git describe says of a commit: the tag of a release or of a
// candidate, such as v1.2.0 or v1.2.0-rc.1, the number of commits after it, and the commit.
// Before the first tag it is the commit alone, which comes before every release.
func parseVersion(describe string) (version, error) {
	if m := commit.FindStringSubmatch(describe); m != nil {
		local := "g" + m[1] + strings.ReplaceAll(m[2], "-", ".")
		return version{program: "0.0.0-dev+" + local, debian: "0.0.0~dev+" + local, python: "0.0.0.dev0+" + local}, nil
	}
	m := tagged.FindStringSubmatch(describe)
	if m == nil {
		return version{}, fmt.Errorf("git describe says %q: want a tag such as v1.2.0 or v1.2.0-rc.1, or a commit", describe)
	}
	v := version{program: m[1], debian: m[1], python: m[1]}
	if stage := m[2]; stage != "" {
		v.program += "-" + stage + "." + m[3]
		v.debian += "~" + stage + m[3]
		v.python += map[string]string{"alpha": "a", "beta": "b", "rc": "rc"}[stage] + m[3]
	}
	var local []string
	if m[4] != "" {
		local = append(local, m[4], "g"+m[5])
	}
	if m[6] != "" {
		local = append(local, "dirty")
	}
	if len(local) > 0 {
		after := "+" + strings.Join(local, ".")
		v.program, v.debian, v.python = v.program+after, v.debian+after, v.python+after
	}
	return v, nil
}
