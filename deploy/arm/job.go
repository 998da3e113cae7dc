package arm

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// Folder is a folder that the job calls Path and that the engine mounts somewhere
// else: Expression is where, in terms of the engine's shell, such as $DATA.
type Folder struct{ Path, Expression string }

// Line returns argv as a line of a POSIX shell. In arguments that name a folder, or
// something in it, the path is replaced with the engine's: /data/x becomes $DATA/x,
// and --images=/data/x becomes --images=$DATA/x. A folder that no argument names
// is an error, since the ranks would never find it.
func Line(engine string, argv []string, folders []Folder) (string, error) {
	used := make([]bool, len(folders))
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = quote(arg)
		flag, value := "", arg
		if name, v, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(name, "-") {
			flag, value = name+"=", v
		}
		best := -1
		for k, f := range folders {
			if within(value, f.Path) && (best < 0 || len(f.Path) > len(folders[best].Path)) {
				best = k
			}
		}
		if best < 0 {
			continue
		}
		used[best] = true
		words[i] = folders[best].Expression
		if flag != "" {
			words[i] = quote(flag) + words[i]
		}
		if rest := strings.TrimPrefix(value, strings.TrimRight(folders[best].Path, "/")); rest != "" {
			words[i] += quote(rest)
		}
	}
	var faults deploy.Faults
	for k, f := range folders {
		if !used[k] {
			faults.Add(deploy.Unsupported(engine, "mounts", "the engine chooses where %s is mounted, and no argument of the job begins with that path", f.Path))
		}
	}
	line := strings.Join(words, " ")
	if len(line) > longestLine {
		faults.Add(deploy.Unsupported(engine, "command", "the line that starts the ranks has %d bytes, and a shell takes at most %d",
			len(line), longestLine))
	}
	if err := faults.Err(); err != nil {
		return "", err
	}
	return line, nil
}

// longestLine is how many bytes of a line are certainly taken by sh -c, as one argument:
// 128 KiB less what engines put around the line.
const longestLine = 120 << 10

// quote returns a word as a shell reads it. It does not contain ${{, which begins an
// expression of Azure ML, even between quotes.
func quote(word string) string { return strings.ReplaceAll(shellquote.Quote(word), "${{", "$''{{") }

func within(path, folder string) bool {
	folder = strings.TrimRight(folder, "/")
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// Blob splits az://ACCOUNT/CONTAINER[/PREFIX]. It reports whether source is of
// that form. It does not check the names: commands do, as they know the storages.
func Blob(source string) (account, container, prefix string, ok bool) {
	scheme, rest := place.Cut(source)
	if scheme != "az" {
		return "", "", "", false
	}
	account, rest, _ = strings.Cut(rest, "/")
	container, prefix, _ = strings.Cut(rest, "/")
	return account, container, strings.Trim(prefix, "/"), account != "" && container != ""
}

// shared returns the mount that a scoring job's output would be on, if that mount
// is a blob container: ranks could not create files exclusively there.
func shared(job deploy.Job) (path string, found bool) {
	for _, m := range job.Mounts {
		if _, _, _, blob := Blob(m.Source); blob && job.Scores() && within(job.Out, m.Path) {
			return m.Path, true
		}
	}
	return "", false
}

// CheckOut returns deploy.ErrUnsupported for a scoring job whose output would be lost
// with the machine, or that cannot be written where it is.
func CheckOut(engine string, job deploy.Job) error {
	if path, ok := shared(job); ok {
		return deploy.Unsupported(engine, "out", "on the mounted container %s ranks cannot create files exclusively: write to az://ACCOUNT/CONTAINER/PREFIX", path)
	}
	if scheme, _ := place.Cut(job.Out); !job.Scores() || scheme != "" ||
		slices.ContainsFunc(job.Mounts, func(m deploy.Mount) bool { return within(job.Out, m.Path) }) {
		return nil
	}
	return deploy.Unsupported(engine, "out", "%s would be lost with the machine: write to az://ACCOUNT/CONTAINER/PREFIX", job.Out)
}

// fits checks that a job can run on a cluster.
func fits(engine string, job deploy.Job, c deploy.Cluster) error {
	job = job.WithDefaults()
	var faults deploy.Faults
	if job.Nodes > c.MaxNodes {
		faults.Add(deploy.Unsupported(engine, "nodes", "the job needs %d, and the cluster %s has at most %d", job.Nodes, c.Name, c.MaxNodes))
	}
	if job.VMSize != "" && !strings.EqualFold(job.VMSize, c.VMSize) {
		faults.Add(deploy.Unsupported(engine, "vmSize", "the job needs %s, and the cluster %s has %s", job.VMSize, c.Name, c.VMSize))
	}
	if job.Priority != c.Priority {
		faults.Add(deploy.Unsupported(engine, "priority", "the job needs %s nodes, and those of the cluster %s are %s", job.Priority, c.Name, c.Priority))
	}
	return faults.Err()
}

// Duration returns a time in ISO 8601, such as PT7H30M, rounded to the second.
func Duration(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	if seconds == 0 {
		return "PT0S"
	}
	text := "PT"
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{3600, "H"}, {60, "M"}, {1, "S"}} {
		if n := seconds / unit.seconds; n > 0 {
			text += strconv.FormatInt(n, 10) + unit.name
			seconds -= n * unit.seconds
		}
	}
	return text
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,5})D)?(?:T((?:\d+H)?(?:\d+M)?(?:\d+S)?))?$`)

// ParseDuration reads what Duration writes, and days in front: P1DT2H.
func ParseDuration(text string) (time.Duration, error) {
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil || parts[1] == "" && parts[2] == "" {
		return 0, fmt.Errorf("%q is not a duration such as PT2M", text)
	}
	days, _ := strconv.Atoi("0" + parts[1]) // digits, by the pattern
	d := time.Duration(days) * 24 * time.Hour
	if parts[2] == "" {
		return d, nil
	}
	clock, err := time.ParseDuration(strings.ToLower(parts[2]))
	return d + clock, err
}
