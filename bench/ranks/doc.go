// Package ranks judges a job by what its ranks did: how long each took for how
// many images. [ReadLog] finds that in the lines that ranks write, those of the
// 2018 recipe and ours, which are alike; [Analyse] reports the makespan, what
// perfect balance would have made of it, and which ranks straggle.
package ranks
