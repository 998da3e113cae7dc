// Package ranks analyses a job by how long each rank took for how many images.
// [ReadLog] finds that in the lines that ranks log; those of the 2018 recipe and
// batchscore's have the same form. [Analyse] reports the makespan, the makespan with
// perfect balance, and which ranks straggle.
package ranks
