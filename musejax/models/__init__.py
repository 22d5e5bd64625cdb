"""The families of models: one file or folder each; glue and checks that several share are in `shared`."""
