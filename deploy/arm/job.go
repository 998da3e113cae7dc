package arm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Folder is a folder that the ranks know as Path and that the engine puts
// somewhere else: Expression is what its shell makes of it, such as $DATA.
type Folder struct{ Path, Expression string }

// Line is argv as a line of a POSIX shell, in which arguments that name a folder,
// or something in it, are found where the engine has put it: /data/x becomes
// $DATA/x, and so does --images=/data/x. A folder that no argument names is an
// error, since the ranks would never find it.
func Line(engine string, argv []string, folders []Folder) (string, error) {
	used := make([]bool, len(folders))
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = shellquote.Quote(arg)
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
			words[i] = shellquote.Quote(flag) + words[i]
		}
		if rest := strings.TrimPrefix(value, strings.TrimRight(folders[best].Path, "/")); rest != "" {
			words[i] += shellquote.Quote(rest)
		}
	}
	for k, f := range folders {
		if !used[k] {
			return "", deploy.Unsupported(engine, "mounts", "the engine chooses where %s lies, and no argument of the job names it: begin an argument with that path", f.Path)
		}
	}
	return strings.Join(words, " "), nil
}

func within(path, folder string) bool {
	folder = strings.TrimRight(folder, "/")
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// Blob takes az://ACCOUNT/CONTAINER[/PREFIX] apart.
func Blob(source string) (account, container, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(source, "az://")
	if !ok {
		return "", "", "", false
	}
	account, rest, _ = strings.Cut(rest, "/")
	container, prefix, _ = strings.Cut(rest, "/")
	return account, container, strings.Trim(prefix, "/"), account != "" && container != ""
}

// Shared says which mount of a scoring job its output would lie on, if that is a
// mounted container: two ranks could not hold each other off there.
func Shared(job deploy.Job) (path string, found bool) {
	for _, m := range job.Mounts {
		if _, _, _, blob := Blob(m.Source); blob && job.Scores() && within(job.Out, m.Path) {
			return m.Path, true
		}
	}
	return "", false
}

// fits checks that a job can run on a cluster.
func fits(engine string, job deploy.Job, c deploy.Cluster) error {
	job = job.WithDefaults()
	switch {
	case job.Nodes > c.MaxNodes:
		return deploy.Unsupported(engine, "nodes", "the cluster %s has %d at most, and %d are asked for", c.Name, c.MaxNodes, job.Nodes)
	case job.VMSize != "" && !strings.EqualFold(job.VMSize, c.VMSize):
		return deploy.Unsupported(engine, "vmSize", "the cluster %s has %s, and %s is asked for", c.Name, c.VMSize, job.VMSize)
	case job.Priority != c.Priority:
		return deploy.Unsupported(engine, "priority", "the nodes of the cluster %s are %s, and %s is asked for", c.Name, c.Priority, job.Priority)
	}
	return nil
}

// Duration is a time in ISO 8601, such as PT7H30M, to the second.
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

// ParseDuration reads what Duration writes, and days before it: P1DT2H.
func ParseDuration(text string) (time.Duration, error) {
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil || parts[1] == "" && parts[2] == "" {
		return 0, fmt.Errorf("%q is no duration such as PT2M", text)
	}
	days, _ := strconv.Atoi("0" + parts[1]) // digits, by the pattern
	d := time.Duration(days) * 24 * time.Hour
	if parts[2] == "" {
		return d, nil
	}
	clock, err := time.ParseDuration(strings.ToLower(parts[2]))
	return d + clock, err
}
