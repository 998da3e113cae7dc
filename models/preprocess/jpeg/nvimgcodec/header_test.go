package nvimgcodec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHeader compiles api.h and the library's own header together, and compares the sizes
// of structs, the places of their fields, and the values of constants.
func TestHeader(t *testing.T) {
	require(t)
	library, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	include := filepath.Join(filepath.Dir(library), "include")
	var b strings.Builder
	b.WriteString("#include <assert.h>\n#include <stddef.h>\n#include \"nvimgcodec.h\"\n#include \"api.h\"\n")
	for _, s := range []struct{ theirs, ours, fields string }{
		{theirs: "nvimgcodecProperties_t", ours: "nvi_properties",
			fields: "struct_type=type struct_size=size struct_next=next version=version cudart_version=cudart"},
		{theirs: "nvimgcodecDebugMessageData_t", ours: "nvi_message",
			fields: "message=message internal_status_id=status codec=codec codec_id=codec_id codec_version=codec_version"},
		{theirs: "nvimgcodecDebugMessengerDesc_t", ours: "nvi_messenger",
			fields: "message_severity=severity message_category=category user_callback=callback user_data=user"},
		{theirs: "nvimgcodecInstanceCreateInfo_t", ours: "nvi_instance",
			fields: "load_builtin_modules=builtin load_extension_modules=extensions extension_modules_path=path" +
				" create_debug_messenger=messenger debug_messenger_desc=messenger_desc message_severity=severity message_category=category"},
		{theirs: "nvimgcodecExtensionDesc_t", ours: "nvi_extension",
			fields: "instance=instance id=id version=version ext_api_version=api create=create destroy=destroy"},
		{theirs: "nvimgcodecBackendParams_t", ours: "nvi_backend_params",
			fields: "load_hint=load load_hint_policy=policy"},
		{theirs: "nvimgcodecBackend_t", ours: "nvi_backend",
			fields: "kind=kind params=params"},
		{theirs: "nvimgcodecExecutionParams_t", ours: "nvi_execution",
			fields: "device_allocator=device_allocator pinned_allocator=pinned_allocator max_num_cpu_threads=threads" +
				" executor=executor device_id=device pre_init=pre_init skip_pre_sync=skip_pre_sync num_backends=n_backends backends=backends"},
		{theirs: "nvimgcodecDecodeParams_t", ours: "nvi_decode",
			fields: "apply_exif_orientation=orient"},
		{theirs: "nvimgcodecOrientation_t", ours: "nvi_orientation",
			fields: "rotated=rotated flip_x=flip_x flip_y=flip_y"},
		{theirs: "nvimgcodecImagePlaneInfo_t", ours: "nvi_plane",
			fields: "width=width height=height row_stride=stride num_channels=channels sample_type=sample precision=precision"},
		{theirs: "nvimgcodecImageInfo_t", ours: "nvi_image",
			fields: "codec_name=codec color_spec=colour chroma_subsampling=sampling sample_format=format orientation=orientation" +
				" num_planes=n_planes plane_info=planes buffer=buffer buffer_kind=kind cuda_stream=stream"},
	} {
		fmt.Fprintf(&b, "static_assert(sizeof(%s) == sizeof(%s), \"%[1]s\");\n", s.theirs, s.ours)
		for _, f := range strings.Fields(s.fields) {
			theirs, ours, _ := strings.Cut(f, "=")
			fmt.Fprintf(&b, "static_assert(offsetof(%[1]s, %[2]s) == offsetof(%[3]s, %[4]s), \"%[1]s.%[2]s\");\n", s.theirs, theirs, s.ours, ours)
			fmt.Fprintf(&b, "static_assert(sizeof(((%[1]s *)0)->%[2]s) == sizeof(((%[3]s *)0)->%[4]s), \"%[1]s.%[2]s\");\n", s.theirs, theirs, s.ours, ours)
		}
	}
	for theirs, ours := range map[string]string{
		"NVIMGCODEC_VER_MAJOR": "NVI_MAJOR", "NVIMGCODEC_VER_MINOR": "NVI_MINOR",
		"NVIMGCODEC_STRUCTURE_TYPE_PROPERTIES": "NVI_PROPERTIES", "NVIMGCODEC_STRUCTURE_TYPE_INSTANCE_CREATE_INFO": "NVI_INSTANCE",
		"NVIMGCODEC_STRUCTURE_TYPE_DECODE_PARAMS": "NVI_DECODE", "NVIMGCODEC_STRUCTURE_TYPE_ORIENTATION": "NVI_ORIENTATION",
		"NVIMGCODEC_STRUCTURE_TYPE_IMAGE_INFO": "NVI_IMAGE", "NVIMGCODEC_STRUCTURE_TYPE_IMAGE_PLANE_INFO": "NVI_PLANE",
		"NVIMGCODEC_STRUCTURE_TYPE_BACKEND": "NVI_BACKEND", "NVIMGCODEC_STRUCTURE_TYPE_BACKEND_PARAMS": "NVI_BACKEND_PARAMS",
		"NVIMGCODEC_STRUCTURE_TYPE_EXECUTION_PARAMS": "NVI_EXECUTION", "NVIMGCODEC_STRUCTURE_TYPE_EXTENSION_DESC": "NVI_EXTENSION",
		"NVIMGCODEC_STRUCTURE_TYPE_DEBUG_MESSENGER_DESC": "NVI_MESSENGER",
		"NVIMGCODEC_BACKEND_KIND_CPU_ONLY":               "NVI_CPU_ONLY", "NVIMGCODEC_BACKEND_KIND_HYBRID_CPU_GPU": "NVI_HYBRID",
		"NVIMGCODEC_DEVICE_CPU_ONLY": "NVI_DEVICE_CPU", "NVIMGCODEC_LOAD_HINT_POLICY_IGNORE": "NVI_LOAD_HINT_IGNORE",
		"NVIMGCODEC_COLORSPEC_SRGB": "NVI_SRGB", "NVIMGCODEC_SAMPLEFORMAT_I_RGB": "NVI_RGB", "NVIMGCODEC_SAMPLE_DATA_TYPE_UINT8": "NVI_UINT8",
		"NVIMGCODEC_IMAGE_BUFFER_KIND_STRIDED_HOST": "NVI_HOST", "NVIMGCODEC_DEBUG_MESSAGE_SEVERITY_ERROR": "NVI_SEVERITY_ERROR",
		"NVIMGCODEC_DEBUG_MESSAGE_SEVERITY_FATAL": "NVI_SEVERITY_FATAL", "NVIMGCODEC_PROCESSING_STATUS_SUCCESS": "NVI_OK",
		"NVIMGCODEC_PROCESSING_STATUS_FAIL": "NVI_FAIL", "NVIMGCODEC_STATUS_SUCCESS": "0",
	} {
		fmt.Fprintf(&b, "static_assert((int)%s == (int)%s, \"%[1]s\");\n", theirs, ours)
	}
	folder := t.TempDir()
	source := filepath.Join(folder, "compare.c")
	if err := os.WriteFile(source, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// Of CUDA's header, the library's takes one name.
	if err := os.WriteFile(filepath.Join(folder, "cuda_runtime_api.h"), []byte("typedef struct CUstream_st *cudaStream_t;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("gcc", "-std=c11", "-fsyntax-only", "-I", folder, "-I", include, "-I", ".", "-include", "stddef.h", source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
