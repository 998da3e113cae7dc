# What fetch.sh fetches from the npm registry, by name, version, size and
# SHA-256 of the package archive. To move a pin: npm pack NAME@VERSION, then
# sha256sum the file it writes.
# shellcheck shell=bash disable=SC2034

# ONNX Runtime for GPUs is pinned in cuda12.txt and cuda13.txt, and of other releases than
# the CPU library here: for CUDA 12 there is none after 1.26.0, and npm has none after
# 1.30.0. For CUDA 13 there is 1.30.0, too, but no row would be the same as on a CPU for
# that, so it is the newest release, which the tests run with a stand-in for CUDA. Results
# record the release.
#
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

# Photographs of the demo that are not in that kit: old pictures in the public domain
# (PDDL 1.0, CC0 1.0) from the Getty's Open Content Program, each in a package of its
# own. demo.sha256 lists all photographs of the demo, with their names.
gallery_version=0.2.3
gallery_size='0.5 MiB'
declare -A gallery_sha256=(
	[airplane-from-above]=ba8dc1cb298381eb2ac270ec6b40508e81293a4686f176f41b7037a9f2d2b6e6
	[allium-oreophilum]=a4584ab090d6bde9dad5279c4e922963f66c4ea07d37848e7465c976b891d896
	[dust-bowl-home]=8bab4b6a161bfb62bf8a34e878fa5f1e494e34fe839a77e4261b491baa1094ee
	[french-alpine-landscape]=a33f8b8b8fddf11b191cca297495aca34638112ba8c5253ad3bcb3fdcc625d3d
	[locomotion-house-cat]=56416e1863a4ca86ad6c0d448378408784e3128ae7a064d9b95d61e270702e34
	[nagasaki-boats]=1030ff1cbfb834f71a83956730c6395ccb4fcfe3a51333f58ce9beb429db8005
)

# axe-core (MPL 2.0), which checks in the tests whether everybody can use the pages of
# reports. Only its script is kept.
axe_version=4.14.1
axe_package=axe-core
axe_size='0.7 MiB'
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
axe_script_sha256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

# The names of ImageNet's classes (Apache 2.0), for the tests of EfficientNet-Lite0, whose trained
# weights are pinned in imagenet.txt. Only the list is kept.
imagenet_version=2.1.1
imagenet_package=@tensorflow-models/mobilenet
imagenet_size='0.1 MiB'
imagenet_sha256=29b97f8db758d1d699c5654100fd363beaaeda1874e1488b5bceb267d13f90ff
