package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every colour that text has can be read on every surface that it may stand on,
// in light and in dark: WCAG 2.2, 1.4.3 (4.5:1) for text, 1.4.11 (3:1) for the
// edge of a field.
func TestContrast(t *testing.T) {
	css, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllSubmatch(css, -1)
	if len(blocks) != 2 {
		t.Fatalf("the style sheet has %d sets of colours, want light and dark", len(blocks))
	}
	texts := []string{"ink", "quiet", "failure", "error", "inconclusive", "neutral", "success", "pending"}
	for i, scheme := range []string{"light", "dark"} {
		colours := palette(t, string(blocks[i][1]))
		for _, surface := range []string{"page", "surface", "sunken"} {
			for _, text := range texts {
				if c := contrast(colours[text], colours[surface]); c < 4.5 {
					t.Errorf("%s: --%s on --%s has a contrast of %.2f, want 4.5", scheme, text, surface, c)
				}
			}
			if c := contrast(colours["field"], colours[surface]); c < 3 {
				t.Errorf("%s: --field on --%s has a contrast of %.2f, want 3", scheme, surface, c)
			}
		}
	}
}

// Colours are said once: a rule that names one of its own would escape the test
// above, and mean something else than state.
func TestColoursHaveNames(t *testing.T) {
	css, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(string(css), "*, *::before")
	if found := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b(rgb|hsl|oklch)a?\(`).FindString(rules); found != "" {
		t.Errorf("a rule has a colour of its own: %s", found)
	}
}

func TestContrastIsMeasured(t *testing.T) {
	if got := contrast([3]float64{0, 0, 0}, [3]float64{1, 1, 1}); math.Abs(got-21) > 0.01 {
		t.Errorf("black on white has a contrast of %.2f, want 21", got)
	}
	grey := [3]float64{0x77 / 255.0, 0x77 / 255.0, 0x77 / 255.0}
	if got := contrast(grey, [3]float64{1, 1, 1}); math.Abs(got-4.48) > 0.01 {
		t.Errorf("#777777 on white has a contrast of %.2f, want 4.48", got)
	}
}

// palette reads custom properties that are colours of six digits.
func palette(t *testing.T, block string) map[string][3]float64 {
	t.Helper()
	colours := map[string][3]float64{}
	for _, m := range regexp.MustCompile(`--([a-z]+): #([0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
		var rgb [3]float64
		for i := range rgb {
			v, err := strconv.ParseUint(m[2][2*i:2*i+2], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			rgb[i] = float64(v) / 255
		}
		colours[m[1]] = rgb
	}
	if len(colours) < 13 {
		t.Fatalf("found %d colours in %s", len(colours), block)
	}
	return colours
}

// contrast is WCAG's contrast ratio.
func contrast(a, b [3]float64) float64 {
	light, dark := luminance(a), luminance(b)
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

func luminance(rgb [3]float64) float64 {
	weights := [3]float64{0.2126, 0.7152, 0.0722}
	sum := 0.0
	for i, v := range rgb {
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weights[i] * v
	}
	return sum
}
