"""What accuracy hides: the predictions of files beside their parent's, image by image.

`gathering` reads the kept predictions once; the others make tables, charts and sentences of them:
`classes`, `images`, `calibration`, `damage` (corrupted images), `errors`, and `answer`, which puts
all together. `recommended` says the same of the files that the strategy recommends.
"""
