package origin

func (r *reader) readKnown() {}
