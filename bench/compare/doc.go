// Package compare compares samples of benchmarks, side by side.
//
//  1. [Of] picks one benchmark from files of samples and puts the samples into groups,
//     by a key such as the device, or by the file that they are in.
//  2. Keys that differ within a group, such as the number of ranks, are its dimensions:
//     rows are compared with the row of the first group that has the same ones. Keys
//     that differ between groups only follow from the group, and are named below.
//  3. A [Table] is printed as text, Markdown, CSV or JSON, and drawn as a chart.
//
// Medians, intervals and tests are those of package result, from golang.org/x/perf.
package compare
