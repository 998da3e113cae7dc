package main

import (
	"fmt"
	"path"
	"path/filepath"
)

// The folders below a prefix, /usr or /usr/local.
const (
	documents = "share/doc/batchscore"
	libraries = "lib/batchscore" // models/device/sharedlib looks there
)

// archive returns the files of the archive, in one folder that has the layout of a prefix.
func (r release) archive() (tree, error) {
	all, err := r.prefix("share/zsh/site-functions/_batchscore")
	if err != nil {
		return nil, err
	}
	if err := r.legal(&all, documents); err != nil {
		return nil, err
	}
	units, err := r.units("/usr/local/bin/batchscore")
	if err != nil {
		return nil, err
	}
	for _, f := range units {
		all.put(path.Join(documents, "systemd", path.Base(f.name)), f.body)
	}
	if err := all.add(path.Join(documents, "README.md"), filepath.Join(r.root, "README.md")); err != nil {
		return nil, err
	}
	if err := all.add(path.Join(documents, "batchscore.cdx.json"), r.bill); err != nil {
		return nil, err
	}
	all.put(path.Join(documents, "INSTALL"), fmt.Appendf(nil, install, r.version.program, r.arch, r.glibc))
	for i := range all {
		all[i].name = path.Join(fmt.Sprintf("batchscore-%s-linux-%s", r.version.program, r.arch), all[i].name)
	}
	return all, nil
}

const install = `To install for all users of this machine:

	sudo tar -C /usr/local --strip-components=1 -xzf batchscore-%[1]s-linux-%[2]s.tar.gz

Or unpack it anywhere and run bin/batchscore there: it finds ONNX Runtime in lib/batchscore.
It needs Linux on %[2]s with glibc %[3]s or newer and libstdc++6. With libturbojpeg0, JPEGs
are decoded several times faster. 'batchscore doctor' says what is missing.

bash and zsh complete commands at once. fish does where XDG_DATA_DIRS names
/usr/local/share, as on desktops; elsewhere, put "batchscore completion fish | source" into
config.fish.

To remove it:

	cd /usr/local && tar -tzf .../batchscore-%[1]s-linux-%[2]s.tar.gz |
		sed -n 's|^[^/]*/\(.*[^/]\)$|\1|p' | sudo xargs rm -f
	sudo rmdir /usr/local/lib/batchscore /usr/local/share/doc/batchscore/{systemd,onnxruntime,}
`

// prefix returns the files that every package for a prefix has.
func (r release) prefix(zsh string) (tree, error) {
	var all tree
	for name, from := range map[string]string{
		"bin/batchscore": r.binary,
		path.Join(libraries, "libonnxruntime.so.1"):       r.library,
		"share/bash-completion/completions/batchscore":    filepath.Join(r.scripts, "bash"),
		"share/fish/vendor_completions.d/batchscore.fish": filepath.Join(r.scripts, "fish"),
		zsh: filepath.Join(r.scripts, "zsh"),
	} {
		if err := all.add(name, from); err != nil {
			return nil, err
		}
	}
	return all, all.below("share/man/man1", r.manual)
}

// legal adds the licences of the program and of what it comes with.
func (r release) legal(all *tree, folder string) error {
	for _, name := range []string{"LICENSE", "NOTICE"} {
		if err := all.add(path.Join(folder, name), filepath.Join(r.root, name)); err != nil {
			return err
		}
	}
	return all.below(path.Join(folder, "onnxruntime"), r.notices)
}
