// Package thumbnail makes small pictures of the images of a job for people to look at.
//
// Images are read through a store and decoded as the job decoded them: with its bounds,
// upright, and with its way to see transparent pixels. The pictures are JPEG, and the same
// image always gives the same bytes.
//
// An image is shown only in the version that was listed and, but for --rescore, scored. One that
// was replaced since has no thumbnail, since its picture would be that of another image.
package thumbnail
