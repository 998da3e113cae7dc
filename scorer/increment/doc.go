// Package increment decides what an output that continues an earlier one keeps, copies and
// scores, and copies rows.
//
// An increment has a collection, the list of all images that there are, and a manifest of its
// own: the images that are scored, and those whose rows are copied. The rows of all other images
// stay where they are, in the outputs that the job's record names. So what a night costs follows
// from what has changed.
//
//  1. Find finds the output that a job continues.
//  2. Decide compares its images with those that exist now, and says which outputs the job refers
//     to and which of them it folds: their rows that still count are copied, so that an output
//     refers to few others however many nights there were.
//  3. Derive makes the list of images that are gone, and the manifest. Both follow from the
//     frozen collection and the record of the job, so every worker makes the same.
//  4. A Copier reads the rows that are copied.
package increment
