package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"
)

// newLog makes the program's own log: unbuffered, without sampling, to standard error or a file that is rotated.
func newLog(f *serveFlags, w *world) (log *zap.Logger, closeLog func(), err error) {
	level, err := zapcore.ParseLevel(f.LogLevel)
	if err != nil {
		return nil, nil, fmt.Errorf("--log-level: %w", err)
	}
	sink, closeLog := zapcore.Lock(zapcore.AddSync(w.stderr)), func() {}
	if f.LogFile != "" {
		if err := os.MkdirAll(filepath.Dir(f.LogFile), 0o700); err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
		file := &lumberjack.Logger{Filename: f.LogFile, MaxSize: 50, MaxBackups: 5, Compress: true} // megabytes
		if _, err := file.Write(nil); err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
		sink, closeLog = zapcore.AddSync(file), func() { _ = file.Close() }
	}
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if f.LogFormat == "console" {
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder = zapcore.NewConsoleEncoder(config)
	}
	return zap.New(zapcore.NewCore(encoder, sink, level), zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(w.stderr)))), closeLog, nil
}

// MarshalLogObject implements zapcore.ObjectMarshaler: the addresses that are listened on.
func (p *process) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for _, s := range p.servers {
		e.AddString(s.flag, s.listener.Addr().String())
	}
	return nil
}
