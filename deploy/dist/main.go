// Command dist packs what "make dist" has built for one platform: an archive for any Linux, a
// wheel for pip, and the files of a package for Debian and Ubuntu with nfpm's settings.
//
// The same input gives the same bytes: files are in order, belong to root, and have the time
// of SOURCE_DATE_EPOCH.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A release is what is packed, for one platform.
type release struct {
	version version
	arch    string // of Go
	time    time.Time
	root    string // of the repository
	binary  string
	library string // ONNX Runtime's
	notices string // the folder with its licences
	manual  string // the folder with pages for man
	scripts string // the folder with the scripts for shells, each under the name of its shell
	bill    string // of materials
	glibc   glibc  // the oldest that it runs with

	maintainer string // of the package for Debian
}

func main() {
	var r release
	var describe, out string
	flag.StringVar(&describe, "describe", "", "what git describe says of the `COMMIT`")
	flag.StringVar(&r.arch, "arch", "", "amd64 or arm64")
	flag.StringVar(&r.root, "root", ".", "`FOLDER` of the repository")
	flag.StringVar(&r.binary, "binary", "", "the program's `FILE`")
	flag.StringVar(&r.library, "library", "", "ONNX Runtime's `FILE`")
	flag.StringVar(&r.notices, "notices", "", "`FOLDER` with its licences")
	flag.StringVar(&r.manual, "manual", "", "`FOLDER` with the pages for man")
	flag.StringVar(&r.scripts, "scripts", "", "`FOLDER` with the files bash, zsh and fish")
	flag.StringVar(&r.bill, "bill", "", "`FILE` with the bill of materials")
	flag.StringVar(&r.maintainer, "maintainer", "The batchscore developers <nobody@batchscore.invalid>", "`NAME <ADDRESS>` in the package for Debian")
	flag.StringVar(&out, "o", "", "`FOLDER` for the packages; the files for nfpm go to its folder debian-ARCH")
	versions := flag.Bool("versions", false, "print the version in the forms of the program, of Debian and of Python, and end")
	flag.Parse()
	if err := run(r, describe, out, *versions); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(r release, describe, out string, versions bool) (err error) {
	if r.version, err = parseVersion(describe); err != nil {
		return err
	}
	if versions {
		fmt.Println(r.version.program, r.version.debian, r.version.python)
		return nil
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.time = time.Unix(epoch, 0).UTC()
	if r.glibc, err = oldest(r.binary, r.library); err != nil {
		return err
	}
	archive, err := r.archive()
	if err != nil {
		return err
	}
	name := filepath.Join(out, fmt.Sprintf("batchscore-%s-linux-%s.tar.gz", r.version.program, r.arch))
	if err := writeTar(name, archive, r.time); err != nil {
		return err
	}
	wheel, name, err := r.wheel()
	if err != nil {
		return err
	}
	if err := writeZip(filepath.Join(out, name), wheel, r.time); err != nil {
		return err
	}
	return r.debian(filepath.Join(out, "debian-"+r.arch))
}
