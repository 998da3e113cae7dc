// Package evaluate computes how good labels are and how far they have changed, from one pass
// over rows. [Truth] compares them with what is known to be right, and [Comparison] with
// another output. Both take a row at a time, are ready for use as their zero value, and return
// a plain value that encodes as JSON.
//
// The definitions are those of scikit-learn (accuracy, precision, recall, F1, confusion),
// statsmodels (Wilson's interval), netcal (reliability, ECE, MCE), scipy (Jensen-Shannon) and
// evidently (PSI). testdata/reference.py computes the same figures with these libraries, and a
// test compares them to within 1e-9.
//
// Memory is bounded by the number of labels, and for thresholds by 4 bytes for each judged
// image. Of a result with more than [MaxLabels] labels, or more than [MaxPairs] pairs of them,
// the rest is counted together, and results say of how many images.
package evaluate
