package output

// DependentRowsNote says, for people, what Job.DependentRows means.
const DependentRowsNote = "Rows may depend on the other images of their batch, or on chance: the job runs with --allow-dependent-rows."
