"""What leaves the warehouse in the field's own shapes: OMOP, MEDS, FHIR. Pure frames in, out."""
